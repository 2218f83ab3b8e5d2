"""A training run that has not started: the model, its data, its length."""

import dataclasses
import functools
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfbn.auditing.audit import audit
from tfbn.auditing.table import Audit
from tfbn.graph.traversal import NamedLayer, built_batch_normalizations
from tfbn.utils.batches import DEFAULT_BATCH_SIZE, Batches
from tfbn.utils.tensors import numbers_of

LOOK_AT = 20  # batches: enough to detect an order, cheap to read


@dataclasses.dataclass(frozen=True)
class Plan:
    """A model about to be trained.

    Attributes:
        model: The model, built.
        data: The data that `fit` will get: `x`, `(x, y)`, or batches; None if unknown.
        batch_size: Examples per batch; None if unknown.
        steps: Train steps in all; None if unknown.
        saved: A file of the model as it was meant to be; None if there is none.
    """

    model: Any
    data: Any = None
    batch_size: int | None = None
    steps: int | None = None
    saved: str | os.PathLike | None = None

    @functools.cached_property
    def layers(self) -> list[NamedLayer]:
        """Every BatchNormalization layer."""
        return built_batch_normalizations(self.model)

    @functools.cached_property
    def audit(self) -> Audit:
        """What every layer will do."""
        return audit(self.model, self.batch_size)

    @functools.cached_property
    def label_batches(self) -> list[np.ndarray]:
        """Class labels of the first batches; empty without labels.

        One-hot targets count as labels; targets that are not whole numbers do not. A
        generator can be read only once, so it is left alone.
        """
        found = [_labels(y) for y in _targets(self.data, self.batch_size)]
        return [labels for labels in found if labels is not None]

    @functools.cached_property
    def samples(self) -> int | None:
        """Number of examples in the data; None if unknown."""
        x = self.data[0] if isinstance(self.data, tuple) and len(self.data) > 1 else self.data
        return len(x) if hasattr(x, "shape") and len(x.shape) > 0 else None

    def statistics(self, layer: Any) -> tuple[np.ndarray, np.ndarray]:
        """Moving mean and variance of a layer in float64."""
        return numbers_of(layer.moving_mean).astype(float), numbers_of(layer.moving_variance).astype(float)


def _targets(data: Any, batch_size: int | None) -> Iterator[Any]:
    """The targets of the first batches; empty if the data has none or can be read only once."""
    if isinstance(data, tuple) and len(data) > 1 and hasattr(data[1], "shape"):
        size = batch_size or DEFAULT_BATCH_SIZE
        for start in range(0, min(len(data[1]), LOOK_AT * size), size):
            yield data[1][start : start + size]
    elif data is not None and not hasattr(data, "shape"):
        batches = Batches(data, steps=LOOK_AT)
        yield from (y for _, y, _ in batches.elements()) if batches.repeatable else ()


def _labels(y: Any) -> np.ndarray | None:
    y = None if y is None or isinstance(y, dict | list | tuple) else np.asarray(y)
    if y is None or y.size == 0:
        return None
    if y.ndim == 2 and y.shape[1] > 1 and np.all((y == 0) | (y == 1)) and np.all(y.sum(1) == 1):
        return y.argmax(1)
    whole = np.issubdtype(y.dtype, np.number) and np.all(y == np.round(y))
    return y.reshape(-1).astype(int) if whole and y.size == len(y) else None
