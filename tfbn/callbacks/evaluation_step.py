"""Observes in the test step what `evaluate` feeds the model and how it calls the layers."""

import functools
from typing import Any

import keras
import numpy as np

from tfbn.callbacks.batch_moments import CHANNELS, first_dense, input_moments
from tfbn.callbacks.step_ring import local_variable
from tfbn.graph.call_hooks import observed
from tfbn.graph.traversal import built_batch_normalizations

ROWS = 8  # batches that are measured, in each evaluation


class EvaluationStep:
    """Measures the inputs of the first batches of each evaluation. TensorFlow only.

    It sets the attribute `test_step` on the model object, until it is removed.

    Args:
        model: A built model.

    Attributes:
        in_training_mode: Paths of layers that `evaluate` calls with `training=True`.
        problem: Why it stopped measuring, or None.
    """

    def __init__(self, model: Any):
        import tensorflow as tf

        self._model, self._before = model, vars(model).get("test_step")
        self._paths = {id(each.layer): each.path for each in built_batch_normalizations(model)}
        self._layers = [each.layer for each in built_batch_normalizations(model)]
        self.in_training_mode: set[str] = set()
        self.problem: str | None = None
        self._channels = 0
        self._active = True
        self._count = local_variable(tf.constant(0, "int64"), "doctor_tests")
        self._rows = local_variable(tf.zeros((ROWS, 8 * CHANNELS)), "doctor_test_rows")
        self._step = self._hooked(model.test_step)
        vars(model)["test_step"] = self._step  # past Keras's own __setattr__, which tracks what it is given
        model.test_function = None

    def begin(self) -> None:
        """An evaluation begins."""
        self._count.assign(0)

    def read(self) -> np.ndarray | None:
        """The inputs' moments in the evaluation's batches, as `Looks.inputs`; None if it had none."""
        count = min(int(self._count.numpy()), ROWS)
        if not count or not self._channels:
            return None
        return self._rows.numpy()[:count].reshape(-1, 2, 4, CHANNELS)[..., : self._channels]

    def remove(self) -> None:
        """Restores everything; does nothing if that is done."""
        if not self._active:
            return
        self._active = False
        if vars(self._model).get("test_step") is self._step:
            del vars(self._model)["test_step"]
            if self._before is not None:
                vars(self._model)["test_step"] = self._before
        self._model.test_function = None

    def _hooked(self, step: Any) -> Any:
        @functools.wraps(step)
        def test_step(data: Any) -> Any:
            if not self._active:
                return step(data)
            with observed(self._layers, self._see):
                logs = step(data)
            try:
                self._store(data)
            except Exception as error:  # any kind of data; they must not end an evaluation
                self.problem = f"the test step could not be measured: {type(error).__name__}: {error}"
            return logs

        return test_step

    def _see(self, layer: Any, x: Any, training: bool | None, mask: Any) -> None:
        if training:
            self.in_training_mode.add(self._paths[id(layer)])

    def _store(self, data: Any) -> None:
        import tensorflow as tf

        x = first_dense(keras.utils.unpack_x_y_sample_weight(data)[0])
        if x is None or len(x.shape) < 2:
            return
        self._channels = min(CHANNELS, x.shape[-1] or 1)
        count = tf.convert_to_tensor(self._count)

        def write() -> None:
            tf.raw_ops.ResourceScatterUpdate(
                resource=self._rows.handle, indices=count, updates=input_moments(x)
            )
            self._count.assign_add(1)

        tf.cond(count < ROWS, write, lambda: None)
