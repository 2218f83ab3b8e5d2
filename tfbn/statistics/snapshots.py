"""Snapshots of the moving statistics of a model, as float64 copies."""

import dataclasses
from typing import Any

import numpy as np

from tfbn.graph.traversal import built_batch_normalizations
from tfbn.utils.validation import fail


@dataclasses.dataclass(frozen=True)
class Statistics:
    """The moving statistics of one layer.

    Attributes:
        mean: Moving mean, shape `(channels,)`, float64.
        variance: Moving variance, shape `(channels,)`, float64.
        epsilon: The layer's epsilon, which it adds to the variance.

    Example:

    >>> Statistics(np.zeros(2), np.ones(2), epsilon=1e-3).variance.tolist()
    [1.0, 1.0]
    """

    mean: np.ndarray
    variance: np.ndarray
    epsilon: float


Snapshot = dict[str, Statistics]  # by the layer's path, in the order of `batch_normalizations`


def take(model: Any) -> Snapshot:
    """Copies of the moving statistics of every BatchNormalization layer of a model.

    Args:
        model: A built Keras model or layer.

    Returns:
        The layers' `Statistics` by path. Training the model further does not change them.

    Raises:
        ValueError: The model has no BatchNormalization layer, or is not built.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(name="bn")])
    >>> take(model)["bn"].variance.tolist()
    [1.0, 1.0]
    """
    return {named.path: take_one(named.layer) for named in built_batch_normalizations(model)}


def take_one(layer: Any) -> Statistics:
    """The `Statistics` of one built BatchNormalization layer, copied.

    Raises:
        ValueError: It is not a BatchNormalization layer, or is not built.

    Example:

    >>> layer = tfbn.BatchNormalization()
    >>> layer.build((None, 2))
    >>> take_one(layer).mean.tolist()
    [0.0, 0.0]
    """
    if getattr(layer, "moving_mean", None) is None:
        raise fail("layer", "to be a BatchNormalization layer that is built", getattr(layer, "name", layer))
    from tfbn.utils.tensors import numbers_of

    mean, variance = (numbers_of(v).astype(np.float64) for v in (layer.moving_mean, layer.moving_variance))
    return Statistics(mean, variance, float(layer.epsilon))
