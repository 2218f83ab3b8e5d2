"""Trains only the rest of a network if the outputs of its frozen prefix never change."""

import weakref
from typing import Any

import numpy as np

import tfbn
from tfbn.utils.validation import InputError

from . import training
from .data import Split

# The rest of each model, so that its step is traced once.
_rest: "weakref.WeakKeyDictionary[Any, Any]" = weakref.WeakKeyDictionary()


def shortened(model: Any, split: Split) -> tuple[Any, np.ndarray]:
    """The part of a model to train, and its inputs.

    Args:
        model: Compiled.
        split: The images.

    Returns:
        `(rest, features)`: the part of the model after its frozen prefix, which shares its
        layers and its optimizer, and the outputs of that start for the training images,
        computed once. `(model, split.train_x)` where `tfbn.cache_features` refuses, since
        batch statistics, updates or training change those outputs.
    """
    try:
        features = tfbn.cache_features(model, **training.batches(split.train_x, 100, "x"), verbose=False)
    except InputError:
        return model, split.train_x
    rest = _rest.setdefault(model, features.rest)
    return rest, next(features.data.batch(features.examples).as_numpy_iterator())


class WholeRecorder(tfbn.DriftRecorder):
    """A `DriftRecorder` that records all of a model while only a part of it is fitted.

    Args:
        model: The whole model; the part shares its layers.
        *args: As in `tfbn.DriftRecorder`.
        **kwargs: Likewise.
    """

    def __init__(self, model: Any, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._whole = model

    def set_model(self, model: Any) -> None:
        super().set_model(self._whole)

    def on_train_end(self, logs: Any = None) -> None:
        super().on_train_end(logs)
        if self.write_error is not None:  # a run without its log is not done
            raise self.write_error
