"""The weights of a linear layer into which an adjacent BatchNormalization is folded."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from tfbn.transforms import linear


@dataclasses.dataclass(frozen=True)
class Target:
    """A linear layer and a BatchNormalization to fold into it.

    Attributes:
        layer: The linear layer.
        bn: The BatchNormalization.
        is_before: Whether the layer comes just before the BatchNormalization; if not, just after.
    """

    layer: Any
    bn: Any
    is_before: bool


def folded(layer: Any, targets: Iterable[Target]) -> dict[str, np.ndarray]:
    """All weights of a linear layer in float64, after folding: at most one BatchNormalization on each side.

    Example:

    >>> layer = keras.layers.Dense(1, kernel_initializer="ones")
    >>> bn = keras.layers.BatchNormalization(epsilon=0.0)
    >>> layer.build((None, 1))
    >>> bn.build((None, 1))
    >>> bn.set_weights(np.array([[1.0], [0.0], [2.0], [4.0]]))  # y = (x - 2) / 2
    >>> {k: v.tolist() for k, v in folded(layer, [Target(layer, bn, is_before=True)]).items()}
    {'kernel': [[0.5]], 'bias': [-1.0]}
    """
    weights = linear.weights_of(layer)
    for target in sorted(targets, key=lambda each: each.is_before):  # the input first
        change = linear.scaled if target.is_before else linear.preceded
        weights = change(layer, weights, *_scale_and_shift(target.bn))
    return weights


def mismatch(layer: Any, bn: Any, is_before: bool) -> str | None:
    """Why the BatchNormalization cannot be folded into the layer's weights, or None."""
    rank = bn.input_spec.ndim
    if bn.axis % rank != linear.channel_axis(layer, rank):
        return f"it normalizes axis {bn.axis}, which is not that of the channels of {layer.name!r}"
    if bn.compute_dtype != layer.compute_dtype:
        where = "before" if is_before else "after"
        return f"it computes in {bn.compute_dtype} and the layer {where} it in {layer.compute_dtype}"
    with np.errstate(all="ignore"):
        weights = folded(layer, [Target(layer, bn, is_before)])
        largest = max(float(np.abs(value).max()) for value in weights.values())
    if not bool(keras.ops.isfinite(keras.ops.cast(largest, layer.variable_dtype))):
        return f"the folded weights would not fit {layer.variable_dtype}"
    return None


def _scale_and_shift(bn: Any) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = linear.float64(bn.moving_mean), linear.float64(bn.moving_variance)
    gamma = linear.float64(bn.gamma) if bn.scale else np.ones_like(mean)
    beta = linear.float64(bn.beta) if bn.center else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + bn.epsilon)
    return scale, beta - mean * scale
