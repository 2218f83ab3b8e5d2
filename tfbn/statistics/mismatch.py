"""How far what `fit` normalizes by is from what `predict` will normalize by.

A layer that normalizes by the moving statistics in `fit` has mismatch 0: `predict` uses
the same. One that normalizes by the batch has the distance of the batch's statistics
from the moving ones. (With `batch_statistics_in_inference` it is the other way round.) Drift
alone cannot show this: statistics that are held do not drift, and may still have nothing to do
with the batches.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfbn.graph.call_hooks import observed
from tfbn.graph.inner_graphs import EagerIfNeeded, check_graph, current_graph, functions_inlined
from tfbn.graph.model_inputs import call_inputs, check_number
from tfbn.graph.symbolic_calls import takes_training
from tfbn.graph.traversal import built_batch_normalizations
from tfbn.layers import modes
from tfbn.statistics import drift
from tfbn.statistics.replaced_statistics import moments
from tfbn.statistics.snapshots import Statistics, take_one
from tfbn.utils.batches import one_batch
from tfbn.utils.validation import fail

UNITS = {"mismatch": drift.UNITS["kl"], "mismatch_mean_shift": drift.UNITS["mean_shift"]}
METRICS = tuple(UNITS)
_COLUMNS = [drift.METRICS.index("kl"), drift.METRICS.index("mean_shift")]


class Probe:
    """Measures the mismatch of every BatchNormalization layer on one batch.

    The model runs forward in training mode, as in `fit`. Nothing in it changes, not the
    moving statistics and not the states of random seeds: variables are not assigned.

    On TensorFlow the forward pass is traced once, at the first measurement, as `fit` traces its
    step once: create a new probe after changing flags.

    Args:
        model: A built model.
        inputs: One batch of inputs, as `model.predict` takes them: raw ones if the model
            preprocesses.

    Attributes:
        paths: The layers' paths.
        outputs: The model's outputs in training mode at the last measurement.

    Raises:
        ValueError: The model has no BatchNormalization layer, or is not built; the batch is empty.

    Example:

    >>> bn = keras.layers.BatchNormalization(name="bn")
    >>> model = keras.Sequential([keras.Input((1,)), bn])
    >>> probe = Probe(model, np.array([[0.0], [2.0]]))
    >>> np.round(probe.measure(), 2).tolist()  # batch: N(1, 1); moving: N(0, 1)
    [[0.5, 1.0]]
    """

    def __init__(self, model: Any, inputs: Any):
        named_layers = built_batch_normalizations(model)
        self.paths = [named.path for named in named_layers]
        self._model = model
        self._layers = [named.layer for named in named_layers]
        self._uses: list[int] = []
        self.outputs: Any = None
        # Eagerly where a layer runs inside an inner graph, since its tensors cannot leave that
        # graph.
        self._run = EagerIfNeeded(model, traced_once(model, self._batch_statistics), self._batch_statistics)
        self.look_at(inputs)

    def look_at(self, inputs: Any) -> None:
        """Replaces the batch; one of the same shape needs no new trace."""
        arrays = one_batch(inputs)
        shapes = [tuple(leaf.shape) for leaf in keras.tree.flatten(arrays)]
        if not all(shape and shape[0] for shape in shapes):
            raise fail("inputs", "to be a batch with at least one example", shapes)
        check_number(self._model, arrays, "inputs")
        inputs = call_inputs(self._model, arrays)
        self._inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        self.outputs = None

    def measure(self) -> np.ndarray:
        """Measures the mismatch.

        Returns:
            Shape `(layers, 2)`: KL divergence of the batch's distribution from the
            moving one in nats per channel, and the mean shift in moving standard
            deviations. For a layer that is used several times, the mean over its uses.
            NaN for a layer that the model does not use.
        """
        by_use, self.outputs = self._run(self._inputs)
        totals = np.zeros((len(self._layers), len(METRICS)))
        for index, mean, variance in by_use:
            moving = take_one(self._layers[int(index)])
            batch = Statistics(_float64(mean), _float64(variance), moving.epsilon)
            totals[int(index)] += drift.between([batch], [moving])[0, _COLUMNS]
        uses = np.array(self._uses)[:, None]
        return np.where(uses > 0, totals / np.maximum(uses, 1), np.nan)

    def _batch_statistics(self, inputs: Any) -> tuple[list[tuple[Any, Any, Any]], Any]:
        """(layer index, mean, variance) for each use that normalizes by the batch; the outputs."""
        found = []
        uses = [0] * len(self._layers)
        graph = current_graph()

        def observer(layer: Any, x: Any, training: bool | None, mask: Any) -> None:
            check_graph(graph, layer)
            index = next(i for i, known in enumerate(self._layers) if known is layer)
            uses[index] += 1
            in_inference = modes.of_layer(layer, training_call=False).normalizes_by == "batch"
            if normalizes_by_batch(layer, training) != in_inference:
                found.append((index, *moments(layer, x, mask)[1:]))

        # In a stateless scope, assignments go to the scope and not to the variables.
        with observed(self._layers, observer), functions_inlined(), keras.StatelessScope():
            outputs = self._model(inputs, **({"training": True} if takes_training(self._model) else {}))
        self._uses = uses
        return found, outputs


def traced_once(model: Any, function: Callable) -> Callable:
    """The function as Keras would run it for this model: traced on TensorFlow, unless it runs eagerly."""
    if keras.backend.backend() != "tensorflow" or model.run_eagerly:
        return function
    import tensorflow as tf

    return tf.function(function, autograph=False)


def normalizes_by_batch(layer: Any, training: bool | None) -> bool:
    """Whether a call with this `training`, as it reaches the layer, normalizes by the batch.

    Args:
        layer: A BatchNormalization layer, stock or tfbn's.
        training: The value that the layer's `call` gets.

    Example:

    >>> normalizes_by_batch(keras.layers.BatchNormalization(trainable=False), training=True)
    False
    """
    return modes.of_layer(layer, training_call=bool(training)).normalizes_by == "batch"


def _float64(x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(x), np.float64)
