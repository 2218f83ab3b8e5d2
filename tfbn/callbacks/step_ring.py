"""Drift metrics computed inside the train step and kept on the device until they are read."""

import operator
import warnings
from typing import Any

import keras
import numpy as np

from tfbn.statistics import drift

# Rows kept between two reads. At 100 layers this is 2 MB.
CAPACITY = 1024
# In networks with at most this many channels, a row holds the statistics themselves: at most 8 MB.
FEW_CHANNELS = 1024


class StepRing:
    """A ring of rows in a `tf.Variable`, one row for each recorded step. TensorFlow only.

    `record` is called at the end of each train step, inside the traced function, so no
    step is missed with `steps_per_execution > 1`, and Python does nothing for a step.
    The ring holds more rows than can accumulate between two calls of `batch_ended`; if that is never
    called, `read` returns the latest ones and warns about those that are lost.

    In a small network the metrics take as long as the step's own small operations. There a row
    has the statistics, and `read` computes the metrics of all its steps at once.

    The reference is a variable, so that the traced function can be reused by another recording.

    Args:
        layers: The BatchNormalization layers.
        reference: Where drift is measured from, the layers in the same order.
        every: Record steps whose number is a multiple of this.
        first_step: How many steps were done before.
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
        import tensorflow as tf

        self._layers, self._sizes, self._every = layers, reference.sizes, every
        self._variables = _variables(layers)
        self._stride = steps_per_execution
        self._capacity = max(CAPACITY, 2 * -(-steps_per_execution // every) + 2)
        self._is_small = self._capacity == CAPACITY and sum(self._sizes) <= FEW_CHANNELS
        channels = int(sum(self._sizes))
        shape = (self._capacity, *((2, channels) if self._is_small else (len(layers), len(drift.METRICS))))
        self._step = local_variable(tf.constant(first_step, "int64"), "recorder_step")
        self._rows = local_variable(tf.zeros(shape), "recorder_rows")
        self._reference = local_variable(tf.constant(reference.packed()), "recorder_reference")
        self._measured_from = reference
        self._read_to = self._at_most = first_step

    def serves(self, layers: list[Any], every: int, steps_per_execution: int) -> bool:
        """Whether the ring was made for the same arguments and the same variables."""
        variables = _variables(layers)
        same = len(variables) == len(self._variables) and all(map(operator.is_, variables, self._variables))
        return same and (every, steps_per_execution) == (self._every, self._stride)

    def restart(self, reference: drift.Reference, first_step: int) -> None:
        """Resets the ring to the state of a new one."""
        self._reference.assign(reference.packed())
        self._measured_from = reference
        self._step.assign(first_step)
        self._read_to = self._at_most = first_step

    @property
    def step(self) -> int:
        """Number of steps done; waits for the device."""
        import tensorflow as tf

        with tf.init_scope():  # it may be read while another function is traced
            self._at_most = int(self._step.numpy())
        return self._at_most

    @property
    def nearly_full(self) -> bool:
        """Whether rows could be lost in the next execution."""
        return self.at_most + self._stride - self._read_to > (self._capacity - 1) * self._every

    @property
    def at_most(self) -> int:
        """An upper bound of `step` that does not wait for the device."""
        return self._at_most

    def batch_begins(self) -> None:
        """To be called before each execution of the train function."""

    def batch_ended(self, batch: int) -> None:
        """To be called once after each execution of the train function."""
        self._at_most += self._stride

    def record(self) -> None:
        """Counts the step and stores its row. Runs inside the train step."""
        import tensorflow as tf

        step = tf.convert_to_tensor(self._step.assign_add(1))
        if self._every == 1:
            self._store(step)
        else:
            tf.cond(step % self._every == 0, lambda: self._store(step), lambda: None)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows since the last read.

        Returns:
            `(steps, values)`: step numbers `(n,)` int64, and metrics
            `(n, layers, metrics)` float32. If more steps were done than the ring holds, the
            latest ones, and a warning.
        """
        import tensorflow as tf

        step = self.step
        before, self._read_to = self._read_to, step
        steps = np.arange(before // self._every + 1, step // self._every + 1) * self._every
        if len(steps) > self._capacity:
            steps = self._latest(steps)
        if not len(steps):
            return steps, np.zeros((0, len(self._layers), len(drift.METRICS)), np.float32)
        with tf.init_scope():
            rows = tf.gather(self._rows, self._place(steps)).numpy()
        return steps, self._metrics(rows) if self._is_small else rows

    def _metrics(self, rows: np.ndarray) -> np.ndarray:
        mean, variance = (rows[:, part].astype(np.float64) for part in (0, 1))
        # The branch that is not selected may be log(0).
        with np.errstate(divide="ignore", invalid="ignore"):
            return drift.by_layer(mean, variance, self._measured_from).astype(np.float32)

    def _latest(self, steps: np.ndarray) -> np.ndarray:
        lost, kept = np.split(steps, [-self._capacity])
        warnings.warn(
            f"DriftRecorder keeps {self._capacity} rows between two calls of its on_train_batch_end, and "
            f"there were {len(steps)}: those of steps {lost[0]} to {lost[-1]} are lost. In a custom loop, "
            "call the methods of keras.callbacks.CallbackList([recorder], model=model) as `fit` does.",
            stacklevel=2,
        )
        return kept

    def _place(self, step: Any) -> Any:
        return (step // self._every - 1) % self._capacity

    def _store(self, step: Any) -> None:
        import tensorflow as tf

        if self._is_small:
            self._put(step, tf.stack(current_statistics(self._layers)))
            return
        mean, variance = current_statistics(self._layers)
        # Not segment_sum, which XLA cannot compile.
        ids = np.repeat(np.arange(len(self._layers), dtype=np.int32), self._sizes)
        sizes = self._sizes[:, None].astype(np.float32)

        def segment_mean(terms: Any) -> Any:
            return tf.math.unsorted_segment_sum(terms, ids, len(self._layers)) / sizes

        reference = drift.Reference.unpacked(tf.unstack(self._reference), self._sizes)
        self._put(step, drift.by_layer(mean, variance, reference, segment_mean, xp=keras.ops))

    def _put(self, step: Any, row: Any) -> None:
        import tensorflow as tf

        # The raw operation, since tf.Variable.scatter_update does not work under a strategy.
        tf.raw_ops.ResourceScatterUpdate(resource=self._rows.handle, indices=self._place(step), updates=row)


def _variables(layers: list[Any]) -> list[Any]:
    return [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]


def local_variable(value: Any, name: str) -> Any:
    """A variable with a separate copy on each replica of a `tf.distribute` strategy; the first is read."""
    import tensorflow as tf

    return tf.Variable(
        value,
        trainable=False,
        name=name,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def current_statistics(layers: list[Any]) -> tuple[Any, Any]:
    """All layers' moving means and variances, each in one float32 tensor."""
    ops = keras.ops
    return (
        ops.concatenate([ops.cast(layer.moving_mean, "float32") for layer in layers]),
        ops.concatenate([ops.cast(layer.moving_variance, "float32") for layer in layers]),
    )
