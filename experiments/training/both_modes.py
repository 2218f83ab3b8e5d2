"""What a model gives for images in inference mode and under batch statistics.

It is traced once for each model that a process keeps, and what several runs would compute alike is kept.
"""

import weakref
from collections.abc import Hashable
from typing import Any

import keras
import numpy as np

import tfbn
from tfbn.statistics.replaced_statistics import replaceable

from . import training
from .data import Split

HEAD = "head"  # name of the layer that all arms have and train
LIMIT = 2**26  # bytes of kept features
Outputs = tuple[tuple[Any, Any], tuple[Any, Any]]

_traced: "weakref.WeakKeyDictionary[Any, _Traced]" = weakref.WeakKeyDictionary()
_features: dict[Hashable, tuple[np.ndarray, np.ndarray]] = {}


def both_modes(model: Any, split: Split, batch_size: int, known: Hashable = None) -> tuple[Outputs, Outputs]:
    """(features, logits) of the training and of the test images: in inference mode, and under batch
    statistics.

    Args:
        model: With a layer named "head" at its end.
        split: The images.
        batch_size: Images in a batch, over which batch statistics are taken.
        known: Everything that the images, and weights and layers before the head depend on; features
            under batch statistics, which no moving statistics change, are then computed once for it.
            None: training changes those weights.
    """
    traced = _traced.get(model)
    if traced is None:
        traced = _traced[model] = _Traced(model)
    parts = split.train_x, split.test_x
    train, test = (training.predict(traced.inference, x, batch_size) for x in parts)
    if known is None or not traced.all_by_batch:
        return (train, test), traced.by_batch(parts, batch_size)
    key = (known, batch_size)
    if key not in _features:
        (train_x, _), (test_x, _) = traced.by_batch(parts, batch_size)
        _keep(key, (train_x, test_x))
        features = train_x, test_x
    else:
        features = _features[key]
    # Also where they have just been computed, so that results do not depend on the process.
    by_batch = tuple((x, _logits(model, x)) for x in features)
    return (train, test), (by_batch[0], by_batch[1])


class _Traced:
    """A model that gives features and logits, one for each mode, with what `predict` traced.

    Attributes:
        inference: In inference mode.
        all_by_batch: Whether every BatchNormalization normalizes by the batch in the other mode.
    """

    def __init__(self, model: Any):
        outputs = [model.get_layer(HEAD).input, model.output]
        self.inference, self._batch = (keras.Model(model.input, outputs) for _ in range(2))
        self.all_by_batch = not replaceable(model)[1]
        self._function: Any = None

    def by_batch(self, parts: tuple[Any, Any], batch_size: int) -> Outputs:
        """(features, logits) of both parts under batch statistics."""
        with tfbn.batch_statistics(self._batch):
            self._batch.predict_function = self._function  # traced in an earlier block like this one
            train, test = (training.predict(self._batch, x, batch_size) for x in parts)
            self._function = self._batch.predict_function
        return train, test


def _logits(model: Any, features: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model.get_layer(HEAD)(features))


def _keep(key: Hashable, features: tuple[np.ndarray, np.ndarray]) -> None:
    """Keeps features, and drops the oldest where they are too large together."""
    _features[key] = features
    while sum(part.nbytes for both in _features.values() for part in both) > LIMIT:
        del _features[next(iter(_features))]
