"""What a BatchNormalization layer does in a call, as one small value with a name.

Three things that stock Keras ties to one condition are separate here:

- what the layer **normalizes by**: the batch's statistics or the moving ones;
- whether the moving statistics **update**;
- whether gamma and beta **train**.
"""

import dataclasses
from typing import Any, Literal

from tfbn.utils.validation import check_flag

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
BATCH_INFERENCE = Mode("batch", updates=False, trains=False)


def resolve(
    training: bool | None,
    update_statistics: bool | None,
    trainable: bool,
    training_call: bool = True,
    batch_statistics_in_inference: bool | None = None,
) -> Mode:
    """The mode that follows from a layer's flags.

    | in a training call | normalizes by the batch | updates |
    |---|---|---|
    | `training=True` | always | unless `update_statistics=False` |
    | `training=False` | never | only if `update_statistics=True` |
    | `training=None` | if `trainable` | if it normalizes by the batch, unless set |

    In an inference call: the moving statistics, or those of the batch where
    `batch_statistics_in_inference=True`; no update, always.

    Args:
        training: The layer's own `training` flag.
        update_statistics: The layer's own `update_statistics` flag.
        trainable: The layer's `trainable` flag.
        training_call: Whether the call is one of `fit` (True) or of `evaluate`
            and `predict` (False).
        batch_statistics_in_inference: The layer's own flag of that name.

    Returns:
        The `Mode`.

    Example:

    >>> resolve(training=True, update_statistics=None, trainable=False)
    Mode(normalizes_by='batch', updates=True, trains=False)
    >>> resolve(True, True, True, training_call=False)
    Mode(normalizes_by='moving', updates=False, trains=False)
    """
    if not training_call:
        return BATCH_INFERENCE if batch_statistics_in_inference else INFERENCE
    by_batch = trainable if training is None else training
    updates = by_batch if update_statistics is None else update_statistics
    return Mode("batch" if by_batch else "moving", updates, trains=trainable)


def of_layer(layer: Any, training_call: bool = True) -> Mode:
    """What a BatchNormalization layer, stock or tfbn's, does in one kind of call.

    Args:
        layer: The layer; what a subclass's own `call` does is not known here.
        training_call: Whether `training` reaches the layer as True.

    Returns:
        The `Mode`.

    Example:

    >>> print(of_layer(keras.layers.BatchNormalization(trainable=False)))
    moving statistics, held, gamma and beta frozen
    """
    return resolve(
        flag(layer, "training"),
        flag(layer, "update_statistics"),
        layer.trainable,
        training_call,
        flag(layer, "batch_statistics_in_inference"),
    )


def flag(layer: Any, name: str) -> bool | None:
    """A flag of a tfbn layer; None for other layers.

    Flags live in the instance's dict under other names: on the PyTorch backend every layer is a
    `torch.nn.Module`, whose constructor and whose `train()` write an attribute `training` of
    their own.

    Example:

    >>> flag(tfbn.BatchNormalization(training=False), "training")
    False
    >>> flag(keras.layers.BatchNormalization(), "training") is None
    True
    """
    return layer.__dict__.get(f"_{name}_flag")


def set_flag(layer: Any, name: str, value: bool | None) -> None:
    """Sets a flag of a tfbn layer.

    Raises:
        InputError: The value is not True, False or None.
    """
    layer.__dict__[f"_{name}_flag"] = check_flag(name, value)
