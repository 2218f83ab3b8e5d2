"""The arms: what the head is trained on, and by which statistics it is judged. Imports nothing heavy."""

import dataclasses

MOMENTA = (0.9, 0.99, 0.999)  # the papers' code, Keras's default, slower still
BLENDS = {"half": 0.5, "quarter": 0.25}  # name -> share of the target's statistics
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)  # of Adam, for the head
BY_BATCH, SOURCE, TARGET = "batch", "source", "target"


@dataclasses.dataclass(frozen=True)
class Arm:
    """An arm whose network is frozen, so that its head can be trained on kept features.

    Attributes:
        name: Short and fit for a file name.
        says: In words, for tables.
        fits_on: The features that the head sees in `fit`: `"batch"`, or the name of a set
            of statistics, `"source"` (the pretrained ones), `"target"`, or one of `BLENDS`.
        judged_by: The set of statistics by which it is judged in inference mode: one of
            these, or what the moving average came to, as `"moving_0.99"`.
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
