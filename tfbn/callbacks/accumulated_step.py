"""One update of the moving statistics for each optimizer step, from all of its micro-batches."""

import collections
import contextlib
from collections.abc import Iterator
from typing import Any

from tfbn.callbacks.step_ring import local_variable
from tfbn.graph.call_hooks import observed
from tfbn.graph.traversal import built_batch_normalizations
from tfbn.layers import modes


class AccumulatedStatistics:
    """Pools the statistics of the micro-batches of an optimizer step inside the train step. TensorFlow only.

    Micro-batches of one size are pooled as one batch would be, by the law of total variance:

    - `mean = avg(mean_i)`, `variance = avg(variance_i + mean_i^2) - mean^2`
    - `moving = momentum * moving + (1 - momentum) * pooled`, once, after the last of them.

    The batch's statistics come out of the change that the layer's own update makes: no second pass over
    activations. All are taken as distances from the old moving statistics, so that a large mean does
    not cancel a small variance. Only layers that the batch normalizes and that update take part.

    Args:
        model: A built model, compiled with `gradient_accumulation_steps` of at least 2.
        optimizer: The optimizer that counts the steps.
    """

    def __init__(self, model: Any, optimizer: Any):
        import tensorflow as tf

        self._layers = [
            each.layer
            for each in built_batch_normalizations(model)
            if modes.of_layer(each.layer) in _POOLED and not getattr(each.layer, "renorm", False)
        ]
        self._optimizer = optimizer
        self._count = local_variable(tf.constant(0.0), "accumulated_batches")
        self._calls: collections.Counter[int] = collections.Counter()
        self._sums = [
            tuple(local_variable(tf.zeros(layer.moving_mean.shape), "accumulated") for _ in range(2))
            for layer in self._layers
        ]

    @contextlib.contextmanager
    def around_step(self, data: Any) -> Iterator[None]:
        """The context that `StepHook` puts around the step."""
        import tensorflow as tf

        before = [
            tuple(tf.identity(tf.convert_to_tensor(v)) for v in (layer.moving_mean, layer.moving_variance))
            for layer in self._layers
        ]
        self._calls.clear()
        # Keras counts an optimizer step when all of its micro-batches are in.
        steps_before = tf.identity(tf.convert_to_tensor(self._optimizer.iterations))
        with observed(self._layers, self._see):
            yield
        is_last = tf.convert_to_tensor(self._optimizer.iterations) != steps_before
        self._count.assign_add(1.0)
        for layer, sums, moving in zip(self._layers, self._sums, before, strict=True):
            self._pool(layer, sums, moving, is_last)
        self._count.assign(tf.where(is_last, 0.0, self._count))

    def _see(self, layer: Any, x: Any, training: bool | None, mask: Any) -> None:
        self._calls[id(layer)] += bool(training)

    def _pool(self, layer: Any, sums: Any, before: Any, is_last: Any) -> None:
        """Reads the batch's statistics from the layer, then restores or updates the moving statistics."""
        import tensorflow as tf

        taken = 1 - float(layer.momentum) ** self._calls[id(layer)]
        if not taken:  # not called, or the moving statistics do not follow: nothing moved
            return
        moving = layer.moving_mean, layer.moving_variance
        mean, variance = ((new - old) / taken for new, old in zip(moving, before, strict=True))
        sums[0].assign_add(mean)
        sums[1].assign_add(variance + mean**2)
        pooled_mean, pooled_variance = (tf.convert_to_tensor(total) / self._count for total in sums)
        pooled = pooled_mean, pooled_variance - pooled_mean**2
        for variable, old, change in zip(moving, before, pooled, strict=True):
            variable.assign(tf.where(is_last, old + taken * change, old))
        for total in sums:
            total.assign(tf.where(is_last, tf.zeros_like(total), total))


_POOLED = (modes.Mode("batch", True, True), modes.Mode("batch", True, False))
