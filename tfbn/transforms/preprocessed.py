"""A functional model that preprocesses raw inputs in `predict`, like the model it is part of."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfbn.utils.batches import Batches, as_arrays


class Preprocessed(keras.Model):
    """A Functional model whose `predict` and `predict_on_batch` take raw inputs.

    Made as `Preprocessed(inputs, outputs)`; calls and `fit` take preprocessed ones.

    Attributes:
        preprocess: A function of a batch of raw inputs that gives the model's inputs.

    Example:

    >>> inputs = keras.Input((1,))
    >>> model = Preprocessed(inputs, keras.layers.ReLU()(inputs))
    >>> model.preprocess = lambda x: x / 256
    >>> model.predict(np.array([[64.0], [256.0]]), verbose=0).ravel().tolist()
    [0.25, 1.0]
    """

    @property
    def preprocess(self) -> Any:
        return self.__dict__.get("_function_of_raw_inputs")

    @preprocess.setter
    def preprocess(self, function: Callable) -> None:
        self.__dict__["_function_of_raw_inputs"] = function  # untracked by Keras

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs of one batch of raw inputs, as NumPy arrays."""
        return super().predict_on_batch(as_arrays(self.preprocess(x)))

    def predict(self, x: Any, batch_size: int | None = None, *, steps: int | None = None, **_: Any) -> Any:
        """The outputs of raw inputs: arrays, or batches as `predict` takes them."""
        outputs = [self.predict_on_batch(batch) for batch in Batches(x, batch_size, steps)]
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *outputs)
