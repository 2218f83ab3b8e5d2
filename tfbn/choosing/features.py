"""Features of a network under every choice of statistics, in as few forward passes as possible."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfbn.statistics.moments import Moments
from tfbn.statistics.parts import measure_parts
from tfbn.statistics.replaced_statistics import replaceable
from tfbn.utils.distribution import predictor

ForwardPass = Callable[[], None]


class Statistics:
    """Replaces the moving statistics of a network temporarily.

    Args:
        network: A built model.
    """

    def __init__(self, network: keras.Model):
        self._layers = {named.path: named.layer for named in replaceable(network)[0]}
        self._own = {
            path: tuple(
                keras.ops.convert_to_numpy(v).copy() for v in (layer.moving_mean, layer.moving_variance)
            )
            for path, layer in self._layers.items()
        }

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Restores the network's own statistics at the end, also after an exception."""
        try:
            yield
        finally:
            self._assign(self._own)

    def set(self, target: dict[str, Moments], share: float) -> None:
        """`(1 - share)` of the network's own statistics and `share` of the target's, by layer path."""
        values = {}
        for path, (mean, variance) in self._own.items():
            found = target.get(path)
            if found is not None:
                mean = (1 - share) * mean + share * found.mean
                variance = (1 - share) * variance + share * found.variance
            values[path] = (mean, variance)
        self._assign(values)

    def _assign(self, values: Mapping[str, tuple[np.ndarray, ...]]) -> None:
        for path, (mean, variance) in values.items():
            layer = self._layers[path]
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)


def by_batch(
    network: keras.Model, x: Any, parts: Sequence[np.ndarray], batch_size: int, tick: ForwardPass
) -> tuple[np.ndarray, list[dict[str, Moments]]]:
    """Features under batch statistics, and the population statistics of each part.

    Args:
        network: From images to features.
        x: Images: an object with a length that can be indexed by an array of positions.
        parts: Positions of the images of each part; a batch never mixes two parts.
        batch_size: Maximum number of images in a batch; the batches of a part have equal sizes.
        tick: Called after the pass.

    Returns:
        `(features, statistics)`: features by position, and for each part the population
        statistics by layer path.
    """
    found = measure_parts(network, [_Slices(x, part, batch_size) for part in parts])
    features = np.zeros((len(x), network.output_shape[-1]), np.float32)
    for part, (outputs, _) in zip(parts, found, strict=True):
        features[part] = outputs
    tick()
    return features, [statistics for _, statistics in found]


class _Slices:
    """Yields batches of some images, which are read lazily."""

    def __init__(self, x: Any, part: np.ndarray, batch_size: int):
        self._x, self._batches = x, _batches(part, batch_size)

    def __iter__(self) -> Iterator[Any]:
        for rows in self._batches:
            yield (np.asarray(self._x[rows]),)


def _batches(part: np.ndarray, batch_size: int) -> list[np.ndarray]:
    return np.array_split(part, -(-len(part) // batch_size))


class Inference:
    """Features in inference mode, under the current moving statistics.

    Args:
        network: From images to features.
        x: See `by_batch`.
        batch_size: Images in a batch. The last batch is padded, so that there is only one shape.
    """

    def __init__(self, network: keras.Model, x: Any, batch_size: int):
        self._x, self._size, self._run = x, min(batch_size, len(x)), predictor(network)

    def features(self) -> np.ndarray:
        """One row for each image."""
        found = []
        for start in range(0, len(self._x), self._size):
            rows = np.arange(start, min(start + self._size, len(self._x)))
            filled = np.resize(rows, self._size)
            found.append(np.asarray(self._run(np.asarray(self._x[filled])), np.float32)[: len(rows)])
        return np.concatenate(found)
