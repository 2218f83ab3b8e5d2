"""The modes that `tfbn.choose` compares."""

import dataclasses

SHARES = (0.25, 0.5, 0.75)


@dataclasses.dataclass(frozen=True)
class Option:
    """One mode of the frozen part's BatchNormalization.

    Attributes:
        name: Short.
        says: A description.
        share: Weight of the target's statistics in the statistics that it predicts with.
        fits_by_batch: Whether the head is trained on features normalized by the batch.
        code: The lines that apply it to `model` and `x_train`.
    """

    name: str
    says: str
    share: float
    fits_by_batch: bool
    code: tuple[str, ...]


_FREEZE = "tfbn.freeze(model, layers, training=False)"
FIRST = Option("inference", "training=False: the statistics it came with", 0.0, False, (_FREEZE,))
OPTIONS = (
    FIRST,
    Option(
        "batch",
        "training=True: fit by the batch, predict by statistics that became the target's",
        1.0,
        True,
        ("tfbn.freeze(model, layers, training=True)",),
    ),
    Option(
        "recalibrated",
        "the target's statistics, then training=False",
        1.0,
        False,
        ("tfbn.recalibrate(model, x_train)", _FREEZE),
    ),
    *(
        Option(
            f"blend_{share:g}",
            f"{share:.0%} of the target's statistics, then training=False",
            share,
            False,
            (f"tfbn.recalibrate(model, x_train, share={share:g})", _FREEZE),
        )
        for share in SHARES
    ),
)
