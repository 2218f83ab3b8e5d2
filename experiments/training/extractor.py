"""A frozen network as a source of features under any set of moving statistics."""

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

import tfbn
from tfbn.graph.traversal import batch_normalizations

CHUNK = 50  # images in a forward pass of inference


def row_of(layers: list[Any]) -> np.ndarray:
    """All moving means and variances of layers in one row, float64."""
    return np.concatenate([v.numpy().astype(np.float64) for v in _variables(layers)])


def set_row(layers: list[Any], row: np.ndarray) -> None:
    """Sets the moving statistics of layers from a row of `row_of`."""
    variables = _variables(layers)
    ends = np.cumsum([int(v.shape[0]) for v in variables])
    for variable, values in zip(variables, np.split(row, ends[:-1]), strict=True):
        variable.assign(values.astype(np.float32))


def _variables(layers: list[Any]) -> list[Any]:
    return [v for layer in layers for v in (layer.moving_mean, layer.moving_variance)]


class Source:
    """Features of images under any moving statistics.

    Args:
        base: A network from images to pooled features; it is frozen here, and its
            BatchNormalization set to update in training calls.
        training: Whether it normalizes by the batch in training calls.

    Attributes:
        base: The network. Its layers' flags and momentum may be changed afterwards.
        source: Its initial moving statistics.
    """

    def __init__(self, base: Any, training: bool):
        tfbn.convert(base, fused=None)
        tfbn.freeze(base, None, training=training, update_statistics=True, trainable=False)
        self.base = base
        self._layers = [named.layer for named in batch_normalizations(base)]
        self.source = self.statistics
        self._shape = tf.TensorSpec((None, *base.input_shape[1:]), tf.float32)

    @property
    def statistics(self) -> np.ndarray:
        """All moving means and variances in one row, float64."""
        return row_of(self._layers)

    @statistics.setter
    def statistics(self, row: np.ndarray) -> None:
        set_row(self._layers, row)

    def infer(self, images: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """Features normalized by these statistics, one row per image."""
        self.statistics = statistics
        chunks = range(0, len(images), CHUNK)
        return np.concatenate([self._infer(images[i : i + CHUNK]).numpy() for i in chunks])

    @functools.cached_property
    def _infer(self) -> Any:
        """A traced inference call."""
        call = tf.function(lambda x: self.base(x, training=False), input_signature=[self._shape])
        call.get_concrete_function()
        return call

    def _in_training(self, momentum: float) -> Any:
        """A traced training call, with that momentum built in."""
        for layer in self._layers:
            layer.momentum = momentum
        call = tf.function(lambda x: self.base(x, training=True), input_signature=[self._shape])
        call.get_concrete_function()
        return call


class Extractor(Source):
    """Also gives features under batch statistics, and population statistics.

    Args:
        base: See `Source`.
    """

    def __init__(self, base: Any):
        super().__init__(base, training=True)
        _ = self._infer  # traced with the current flags, which users change
        self._normalize = self._in_training(momentum=0.0)  # the statistics become those of the last batch

    def by_batch(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The features of a batch under its own statistics, and those statistics."""
        features = self._normalize(images).numpy()
        return features, self.statistics

    def of_target(self, images: np.ndarray) -> np.ndarray:
        """The population statistics over the target's images, as `tfbn.recalibrate` sets them."""
        tfbn.recalibrate(self.base, images, batch_size=CHUNK, verbose=False)
        return self.statistics


class Follower(Source):
    """Features under moving statistics that the batches update along the way.

    Args:
        base: See `Source`.
    """

    def __init__(self, base: Any):
        super().__init__(base, training=False)
        self._calls: dict[float, Any] = {}

    def follow(self, batches: list[np.ndarray], momentum: float) -> tuple[list[np.ndarray], np.ndarray]:
        """The features of batches, each under the statistics at that point, and the final statistics.

        Args:
            batches: Images; the first batch is normalized by the pretrained statistics.
            momentum: Of the moving average.
        """
        features = [features for features, _ in self.steps(batches, momentum)]
        return features, self.statistics

    def steps(
        self, batches: Iterable[np.ndarray], momentum: float
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Like `follow`, batch by batch: the features, and the statistics after the update."""
        if momentum not in self._calls:
            self._calls[momentum] = self._in_training(momentum)
        self.statistics = self.source
        for images in batches:
            yield self._calls[momentum](images).numpy(), self.statistics
