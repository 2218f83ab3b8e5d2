"""The arms: the features that the head is trained on, and the statistics it is evaluated with. Imports
nothing heavy."""

import dataclasses

MOMENTA = (0.9, 0.99, 0.999)  # the papers' code, Keras's default, slower still
BLENDS = {"half": 0.5, "quarter": 0.25}  # name -> share of the target's statistics
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)  # of Adam, for the head
FAMILY = "frozen"  # of the arms whose network is frozen
BY_BATCH, SOURCE, TARGET = "batch", "source", "target"


@dataclasses.dataclass(frozen=True)
class Arm:
    """An arm whose network is frozen, so that its head can be trained on cached features.

    Attributes:
        name: Short and fit for a file name.
        says: Description for tables.
        fits_on: The features that the head sees in `fit`: `"batch"`, or
        the name of a set
            of statistics, `"source"` (the pretrained ones), `"target"`, or one of `BLENDS`.
        judged_by: The set of statistics by which it is judged in inference mode: one of
            these, or the final moving average, such as `"moving_0.99"`.
    """

    name: str
    says: str
    fits_on: str
    judged_by: str


FROZEN = {
    arm.name: arm
    for arm in (
        Arm("inference", "training=False", SOURCE, SOURCE),
        *(Arm(f"batch_{m:g}", f"training=True, momentum {m:g}", BY_BATCH, f"moving_{m:g}") for m in MOMENTA),
        Arm("batch_held", "training=True, statistics held", BY_BATCH, SOURCE),
        Arm("recalibrated", "recalibrated, then training=False", TARGET, TARGET),
        *(
            Arm(f"blend_{share:g}", f"{share:.0%} of the target's statistics, training=False", name, name)
            for name, share in BLENDS.items()
        ),
    )
}

UPDATING = (
    "updating"  # the family whose frozen network normalizes by moving statistics that its batches update
)
UPDATING_MOMENTA = {f"{UPDATING}_{m:g}": m for m in (0.9, 0.99)}  # by arm


TUNING_RATES = (1e-4, 5e-4)  # of Adam, where the network trains
FINE_TUNING = ("tuned_held", "tuned_batch")  # the families that are compared beyond the base condition
PROBE_RATE = 1e-3  # of the head before the network trains


@dataclasses.dataclass(frozen=True)
class Tuning:
    """A family of arms whose network trains: one training for each learning rate.

    Attributes:
        name: Of the family; its arms' names begin with it.
        says: In words, for tables.
        trains: `"all"`, or `"affine"`: gamma and beta, and the head.
        training: Whether `fit` normalizes by the batch. Then the family has an arm for each
            momentum, one judged by the pretrained statistics, and one recalibrated at the end.
        probe: Whether the head is trained first, with the network frozen.
        late: Whether the statistics, at momentum 0.99, are held for the last third of the steps.
    """

    name: str
    says: str
    trains: str = "all"
    training: bool = False
    probe: bool = False
    late: bool = False


TUNED = {
    each.name: each
    for each in (
        Tuning("tuned_held", "everything trains, training=False"),
        Tuning("tuned_batch", "everything trains, training=True", training=True),
        Tuning("affine_held", "gamma, beta and the head train, training=False", "affine"),
        Tuning("affine_batch", "gamma, beta and the head train, training=True", "affine", training=True),
        Tuning("probed_then_tuned", "the head first, then everything, training=False", probe=True),
        Tuning(
            "tuned_late", "everything trains, training=True, the last third training=False",
            training=True, late=True,
        ),
    )
}  # fmt: skip


def tuned_settings(tuning: Tuning) -> dict[str, str]:
    """The arms of a family by name, with descriptions.

    >>> list(tuned_settings(TUNED["affine_held"]))
    ['affine_held']
    """
    if not tuning.training or tuning.late:
        return {tuning.name: tuning.says}
    names = {f"{tuning.name}_{m:g}": f"{tuning.says}, momentum {m:g}" for m in MOMENTA}
    names[f"{tuning.name}_held"] = f"{tuning.says}, judged by the pretrained statistics"
    return names | {f"{tuning.name}_recalibrated": f"{tuning.says}, recalibrated at the end"}


_UPDATED = {
    name: f"training=False, statistics update, momentum {m:g}" for name, m in UPDATING_MOMENTA.items()
}
SETTINGS = (
    {name: arm.says for name, arm in FROZEN.items()}
    | _UPDATED
    | {name: says for tuning in TUNED.values() for name, says in tuned_settings(tuning).items()}
)
