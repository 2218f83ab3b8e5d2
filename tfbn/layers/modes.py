"""What a BatchNormalization layer does in a call, as one small value with a name.

Three things that stock Keras ties to one condition are told apart here:

- what the layer **normalizes by**: the batch's statistics or the moving ones;
- whether the moving statistics **update**;
- whether gamma and beta **train**.
"""

import dataclasses
from typing import Literal

NormalizesBy = Literal["batch", "moving"]


@dataclasses.dataclass(frozen=True)
class Mode:
    """What one BatchNormalization layer does in one kind of call.

    Attributes:
        normalizes_by: `"batch"` (mean and variance of the current batch) or
            `"moving"` (the moving mean and variance).
        updates: Whether the moving mean and variance move.
        trains: Whether gamma and beta get gradients.

    Example:

    >>> print(Mode("batch", updates=True, trains=False))
    batch statistics, updating, gamma and beta frozen
    """

    normalizes_by: NormalizesBy
    updates: bool
    trains: bool

    def __str__(self) -> str:
        return (
            f"{self.normalizes_by} statistics, "
            f"{'updating' if self.updates else 'held'}, "
            f"gamma and beta {'train' if self.trains else 'frozen'}"
        )


INFERENCE = Mode("moving", updates=False, trains=False)


def resolve(
    training: bool | None, update_statistics: bool | None, trainable: bool, training_call: bool = True
) -> Mode:
    """The mode that a layer's flags give.

    | in a training call | normalizes by the batch | updates |
    |---|---|---|
    | `training=True` | always | unless `update_statistics=False` |
    | `training=False` | never | only if `update_statistics=True` |
    | `training=None` | if `trainable` | as it normalizes, unless told |

    In an inference call: moving statistics, no update, always.

    Args:
        training: The layer's own `training` flag.
        update_statistics: The layer's own `update_statistics` flag.
        trainable: The layer's `trainable` flag.
        training_call: Whether the call is one of `fit` (True) or of `evaluate`
            and `predict` (False).

    Returns:
        The `Mode`.

    Example:

    >>> resolve(training=True, update_statistics=None, trainable=False)
    Mode(normalizes_by='batch', updates=True, trains=False)
    >>> resolve(True, True, True, training_call=False)
    Mode(normalizes_by='moving', updates=False, trains=False)
    """
    if not training_call:
        return INFERENCE
    by_batch = trainable if training is None else training
    updates = by_batch if update_statistics is None else update_statistics
    return Mode("batch" if by_batch else "moving", updates, trains=trainable)
