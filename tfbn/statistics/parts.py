"""Population statistics of several data sets, and the model's outputs, in one pass over each."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tfbn.graph.model_inputs import preprocessed
from tfbn.statistics.moments import Moments
from tfbn.statistics.population import Observer, merged
from tfbn.statistics.replaced_statistics import replaceable
from tfbn.utils.batches import Batches, as_arrays


class _WithOutputs(Observer):
    """Gives the model's outputs too."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        return list(self.run(x))


def measure_parts(model: Any, parts: Iterable[Any]) -> list[tuple[np.ndarray, dict[str, Moments]]]:
    """What `tfbn.population_statistics` returns for each of several sets, and the model's outputs.

    Every BatchNormalization normalizes by the batch; everything else runs in inference mode. The
    model is traced once for all sets, and nothing in it changes.

    Args:
        model: A built model with one output.
        parts: Data in batches, as `fit` takes them.

    Returns:
        For each part the outputs, in its order, and the statistics by layer path.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization(name="bn")])
    >>> ((outputs, found),) = measure_parts(model, [iter([np.array([[1.0], [3.0]], "float32")])])
    >>> outputs.round(1).ravel().tolist(), found["bn"].mean.tolist()
    ([-1.0, 1.0], [2.0])
    """
    observer = _WithOutputs(model)
    paths = [named.path for named in replaceable(model)[0]]
    return [_measured(observer, paths, Batches(part)) for part in parts]


def _measured(
    observer: Observer, paths: list[str], batches: Batches
) -> tuple[np.ndarray, dict[str, Moments]]:
    outputs: list[np.ndarray] = []
    pools: dict[str, Moments | None] = dict.fromkeys(paths)
    for x in batches:
        found, seen = observer.observe(as_arrays(preprocessed(observer.inner, x)[0]))
        outputs.append(np.asarray(found))
        for path, calls in zip(paths, seen, strict=True):
            for call in calls:
                pools[path] = merged(pools[path], call)
    return np.concatenate(outputs), {path: pool for path, pool in pools.items() if pool is not None}
