"""Compares what the first BatchNormalization of a network sees with what it was trained on."""

from typing import Any

import keras
import numpy as np

from tfbn.graph.data_flow import graph
from tfbn.transforms import frozen_prefix

# Beyond these, the median channel sees something entirely different.
_TIMES = 30.0  # the variance
_DEVIATIONS = 5.0  # the mean


def mismatch_in_first_layer(model: Any, images: Any) -> str | None:
    """A sentence if the inputs of the first BatchNormalization are very far from its statistics.

    A wrong range of pixels has this effect: trained on 0..255 and fed 0..1, the layer sees
    1/65,025 of the variance.

    Args:
        model: A Functional or Sequential model.
        images: A batch of its future inputs; a few dozen are enough.

    Returns:
        The sentence, or None if they are close, the statistics were never trained, or the first
        layer cannot be found.

    Example:

    >>> norm = keras.layers.BatchNormalization(name="bn")
    >>> model = keras.Sequential([keras.Input((4, 4, 1)), norm])
    >>> _ = norm.moving_mean.assign([120.0]), norm.moving_variance.assign([3600.0])
    >>> images = np.random.default_rng(0).random((8, 4, 4, 1))
    >>> mismatch_in_first_layer(model, images)[:41]
    "the first BatchNormalization ('bn') sees "
    >>> mismatch_in_first_layer(model, 255 * images) is None
    True
    """
    layer, start = _first(model)
    if layer is None:
        return None
    mean, variance = (keras.ops.convert_to_numpy(v) for v in (layer.moving_mean, layer.moving_variance))
    if not mean.any() and (variance == 1).all():
        return None
    x = images if start is None else keras.ops.convert_to_numpy(start(np.asarray(images), training=False))
    axes = tuple(axis for axis in range(np.ndim(x)) if axis != layer.axis % np.ndim(x))
    seen, tiny = np.var(x, axes, np.float64), np.finfo(np.float32).tiny
    times = float(np.exp(np.median(np.log(np.maximum(seen, tiny) / np.maximum(variance, tiny)))))
    away = float(np.median(np.abs(np.mean(x, axes) - mean) / np.sqrt(variance + layer.epsilon)))
    if 1 / _TIMES < times < _TIMES and away < _DEVIATIONS:
        return None
    return (
        f"the first BatchNormalization ({layer.name!r}) sees {times:.2g} times the variance that it was "
        f"trained on, and means {away:.2g} standard deviations away (median channel)"
    )


def _first(model: Any) -> tuple[Any, Any]:
    """The first BatchNormalization and the part before it, None if there is none."""
    if graph(model) is None:
        return None, None
    cut, is_direct = None, True
    for operation, boundary in frozen_prefix.walk(model):
        if boundary is not None:
            cut, is_direct = boundary, True
        elif isinstance(operation, keras.layers.BatchNormalization):
            alone = is_direct and operation.built
            return (operation, None if cut is None else cut.prefix(model)) if alone else (None, None)
        else:
            is_direct = False
    return None, None
