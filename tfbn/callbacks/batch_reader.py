"""Drift metrics read after a batch, for backends whose train step cannot hold the recorder."""

from typing import Any

import keras
import numpy as np

from tfbn.callbacks.step_ring import current_statistics
from tfbn.statistics import drift

ROWS = 256


class BatchReader:
    """Reads the statistics in `batch_ended`, with one copy from the device for each read.

    The counterpart of `StepRing` for PyTorch and, as `StateReader`, for JAX. With
    `steps_per_execution`, only the last step of each execution is seen.

    Args:
        layers: The BatchNormalization layers.
        reference: Statistics that drift is measured from, the layers in the same order.
        every: Record steps whose number is a multiple of this (or the first step that
            is seen after it).
        first_step: Number of steps done before.
        steps_per_execution: The model's.
    """

    def __init__(
        self,
        layers: list[Any],
        reference: drift.Reference,
        every: int,
        first_step: int,
        steps_per_execution: int,
    ):
        self._layers, self._reference, self._every = layers, reference, every
        self._stride = steps_per_execution
        self._shape = (0, len(layers), len(drift.METRICS))
        self._steps: list[int] = []
        self._values: list[Any] = []
        self._watched = [layer.moving_mean for layer in layers]
        self._watched += [layer.moving_variance for layer in layers]
        self.step = first_step

    @property
    def at_most(self) -> int:
        return self.step

    @property
    def nearly_full(self) -> bool:
        return len(self._steps) >= ROWS

    def batch_begins(self) -> None:
        """To be called before each execution of the train function."""

    def batch_ended(self, batch: int) -> None:
        """To be called once after each execution of the train function."""
        before, self.step = self.step, self.step + self._stride
        if self.step // self._every == before // self._every:
            return
        self._steps.append(self.step)
        self._values.append(self._measure())

    def _measure(self) -> Any:
        """The metrics of the current statistics: shape `(layers, metrics)`, float32."""
        mean, variance = keras.ops.convert_to_numpy(keras.ops.stack(current_statistics(self._layers)))
        with np.errstate(divide="ignore", invalid="ignore"):
            values = drift.by_layer(np.float64(mean), np.float64(variance), self._reference)
        return values.astype(np.float32)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows since the last read, as `StepRing.read` gives them."""
        steps = np.array(self._steps, np.int64)
        values = np.stack(self._values) if self._values else np.zeros(self._shape, np.float32)
        self._steps, self._values = [], []
        return steps, values
