"""Batch statistics measured inside the train step, in some of the steps, for the doctor."""

import contextlib
import functools
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from tfbn.callbacks.batch_moments import (
    CHANNELS,
    CLASSES,
    as_one_operation,
    class_counts,
    first_dense,
    input_moments,
    measured,
)
from tfbn.callbacks.step_ring import local_variable
from tfbn.diagnosis.batch_measurements import Looks, Use
from tfbn.graph.call_hooks import observed
from tfbn.graph.inner_graphs import InnerGraphError, check_graph, current_graph
from tfbn.graph.keras_internals.graphs import is_functional
from tfbn.graph.traversal import built_batch_normalizations
from tfbn.layers import modes
from tfbn.utils.tensors import is_ragged, is_sparse

LAYERS = 48  # measured at most
ROWS = 64  # looks that are kept
# Every step at first, so that steps of one kind and of the other are seen; then every third, then rarely,
# at distances that are odd.
LOOKS = (*range(1, 17), *range(19, 51, 3))
EVERY = 101


class StepStatistics:
    """Measures what reaches the layers in a train step, on the device. TensorFlow only.

    Of each call of a layer: mean and variance of both halves of the batch, and the moving
    statistics before the step; of the model's input the same, and how often each class occurs. In
    a step at which it does not look, it costs a counter and a condition for each layer, whose branches are
    one operation each.

    Args:
        model: A built model.

    Attributes:
        problem: Why it measures nothing any more, or None.
    """

    def __init__(self, model: Any):
        import tensorflow as tf

        found = built_batch_normalizations(model)
        picked = np.unique(np.linspace(0, len(found) - 1, min(LAYERS, len(found))).round().astype(int))
        self._named = {id(found[i].layer): found[i] for i in picked}
        self._model, self._most = model, 4 * len(self._named)
        self.problem: str | None = None
        self._uses: list[Use] = []
        self._values: list[Any] = []
        self._passes = 0
        self._has_labels = self._has_inputs = False
        self._look: Any = None
        self._measured: Any = None
        self._step = local_variable(tf.constant(0, "int64"), "doctor_step")
        self._looks = local_variable(tf.constant(0, "int64"), "doctor_looks")
        self._fewest = local_variable(tf.constant(2**31 - 1, "int32"), "doctor_fewest")
        self._rows = local_variable(tf.zeros((ROWS, self._most, 6, CHANNELS)), "doctor_rows")
        self._batches = local_variable(tf.zeros((ROWS, 8 * CHANNELS + CLASSES + 3)), "doctor_batches")
        self._table = np.isin(np.arange(LOOKS[-1] + 1), LOOKS)

    @contextlib.contextmanager
    def around_step(self, data: Any) -> Iterator[None]:
        """What `StepHook` puts around the step. Nothing in here may end a training run."""
        import tensorflow as tf

        step = tf.convert_to_tensor(self._step.assign_add(1))
        early = tf.gather(tf.constant(self._table), tf.minimum(step, len(self._table) - 1))
        self._look = tf.where(step < len(self._table), early, step % EVERY == 0)
        self._graph, self._measured = current_graph(), as_one_operation(measured)
        self._uses, self._values, self._passes = [], [], 0
        layers = [named.layer for named in self._named.values()]
        with observed(layers, self._see), _counted(self._model, self._count):
            yield
        self._guarded(self._store, step, data)
        self._values, self._look, self._measured = [], None, None

    def read(self) -> Looks | None:
        """The last looks; None before the first one."""
        import tensorflow as tf

        count = int(self._looks.numpy())
        if not count or self.problem is not None:
            return None
        batches = self._batches.numpy()[: min(count, ROWS)]
        order = np.argsort(batches[:, -1])
        batches = batches[order]
        measured = [use for use in self._uses if use.place is not None]
        # Only the rows in use: to read the whole variable would copy it.
        rows = tf.gather(self._rows, order).numpy()[:, : len(measured)]
        labels = batches[:, 8 * CHANNELS : -3]
        are_classes = self._has_labels and bool(np.all(labels.sum(1) == batches[:, -2]))
        inputs = batches[:, : 8 * CHANNELS].reshape(-1, 2, 4, CHANNELS)
        return Looks(
            steps=batches[:, -1].astype(int),
            examples=batches[:, -2].astype(int),
            fewest=int(self._fewest.numpy()),
            uses=tuple(self._uses),
            values=rows,
            inputs=inputs[..., : int(batches[0, -3])] if self._has_inputs else None,
            labels=labels if are_classes else None,
            passes=self._passes,
            classes=_outputs(self._model),
        )

    def _count(self) -> None:
        self._passes += 1

    def _see(self, layer: Any, x: Any, training: bool | None, mask: Any) -> None:
        self._guarded(self._note, layer, x, training, mask)

    def _note(self, layer: Any, x: Any, training: bool | None, mask: Any) -> None:
        import tensorflow as tf

        mode = modes.of_layer(layer, bool(training))
        place = None
        dense = mask is None and not is_ragged(x) and not is_sparse(x)
        if dense and len(self._values) < self._most and _is_outside(self._graph, layer):
            place = len(self._values)
            moving = tf.convert_to_tensor(layer.moving_mean), tf.convert_to_tensor(layer.moving_variance)
            # Without the gradient's tape, which would have the function give everything in between.
            x, axis, measure = tf.stop_gradient(x), layer.axis % len(x.shape), self._measured
            look = functools.partial(measure, x, axis, *moving)
            self._values.append(tf.cond(self._look, look, lambda: tf.zeros((6, CHANNELS))))
        channels = min(CHANNELS, layer.moving_mean.shape[0])
        named = self._named[id(layer)]
        by_batch = mode.normalizes_by == "batch"
        self._uses.append(Use(named, by_batch, mode.updates, channels, _positions(layer, x), place))

    def _store(self, step: Any, data: Any) -> None:
        import tensorflow as tf

        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        x, y = first_dense(x), first_dense(y)
        examples = tf.shape(first_dense(data))[0]
        self._fewest.assign(tf.minimum(self._fewest, examples))
        self._has_inputs = x is not None and len(x.shape) > 1
        self._has_labels = y is not None and len(y.shape) <= 2
        channels = min(CHANNELS, x.shape[-1] or 1) if self._has_inputs else 0
        values = self._values

        def write() -> None:
            inputs = input_moments(x) if self._has_inputs else tf.zeros((8 * CHANNELS,))
            counted = class_counts(y) if self._has_labels else tf.zeros((CLASSES,))
            numbers = [tf.cast(n, "float32") for n in (channels, examples, step)]
            place = self._looks % ROWS
            if values:
                rest = tf.zeros((self._most - len(values), 6, CHANNELS))
                _scatter(self._rows, place, tf.concat([tf.stack(values), rest], 0))
            _scatter(self._batches, place, tf.concat([inputs, counted, tf.stack(numbers)], 0))
            self._looks.assign_add(1)

        tf.cond(self._look, as_one_operation(write), lambda: None)

    def _guarded(self, function: Callable, *args: Any) -> None:
        """Measuring is not worth a training run: if it fails, that is noted, and it ends."""
        if self.problem is not None:
            return
        try:
            function(*args)
        except Exception as error:  # a model's own code can hand over anything
            self.problem = f"the step could not be measured: {type(error).__name__}: {error}"


def _positions(layer: Any, x: Any) -> int | None:
    axis = layer.axis % len(x.shape)
    sizes = [size for each, size in enumerate(x.shape) if each not in (0, axis)]
    return None if None in sizes else math.prod(sizes)


def _outputs(model: Any) -> int | None:
    """The size of the last axis of what the model gives; None for models of other kinds."""
    shape = (
        getattr(model, "output_shape", None)
        if is_functional(model) or isinstance(model, keras.Sequential)
        else None
    )
    return shape[-1] if isinstance(shape, tuple) and shape and isinstance(shape[-1], int) else None


def _is_outside(graph: Any, layer: Any) -> bool:
    try:
        check_graph(graph, layer)
    except InnerGraphError:
        return False
    return True


@contextlib.contextmanager
def _counted(model: Any, count: Callable[[], None]) -> Iterator[None]:
    """While the block runs, `count` is called for each call of the model."""
    before, call = model.__dict__.get("call"), model.call

    def counted(*args: Any, **kwargs: Any) -> Any:
        count()
        return call(*args, **kwargs)

    counted.__signature__ = inspect.signature(call)  # type: ignore[attr-defined]
    try:
        model.__dict__["call"] = counted
        yield
    finally:
        model.__dict__.pop("call", None)
        if before is not None:
            model.__dict__["call"] = before


def _scatter(variable: Any, place: Any, row: Any) -> None:
    import tensorflow as tf

    # The raw operation, since tf.Variable.scatter_update does not serve under a strategy.
    tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=place, updates=row)
