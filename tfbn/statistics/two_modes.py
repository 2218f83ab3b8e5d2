"""A model's loss and metrics in training mode and in inference mode, on the same batch."""

import numbers
from collections.abc import Mapping
from typing import Any

import keras

from tfbn.graph.keras_internals.trainers import build_loss_and_metrics
from tfbn.graph.model_inputs import predict_outputs, preprocessed
from tfbn.statistics.mismatch import traced_once
from tfbn.utils.batches import as_arrays


class Performance:
    """Measures a compiled model's loss and metrics on one batch, in both modes.

    Nothing in the model changes: not the moving statistics, not the metrics' states.

    On TensorFlow the forward pass in inference mode, and loss and metrics, are traced once, at the first
    measurement, as `fit` traces its step.

    Args:
        model: A built, compiled model.
        inputs: One batch of inputs, as `model.predict` takes them: raw ones if the model
            preprocesses.
        labels: Its targets.

    Example:

    >>> bn = keras.layers.BatchNormalization(name="bn")
    >>> model = keras.Sequential([keras.Input((1,)), bn])
    >>> model.compile("sgd", "mse")
    >>> x = np.array([[0.0], [2.0]], "float32")  # by the batch normalized: -1, 1
    >>> measured = Performance(model, x, x).measure(model(x, training=True))
    >>> round(measured["training"]["loss"], 2), round(measured["inference"]["loss"], 2)
    (1.0, 0.0)
    """

    def __init__(self, model: Any, inputs: Any, labels: Any):
        self._model = model
        self._run = traced_once(model, self._forward)
        self._judge = traced_once(model, self._judged)
        self.look_at(inputs, labels)

    def look_at(self, inputs: Any, labels: Any) -> None:
        """Replaces the batch; one of the same shape needs no new trace."""
        inputs, labels, _ = preprocessed(self._model, as_arrays(inputs), as_arrays(labels))
        self._inputs, self._labels = (
            keras.tree.map_structure(keras.ops.convert_to_tensor, part) for part in (inputs, labels)
        )

    def measure(self, training_outputs: Any) -> dict[str, dict[str, float]]:
        """Measures loss and metrics.

        Args:
            training_outputs: The model's outputs for the batch in training mode.

        Returns:
            `{"training": {name: value}, "inference": {name: value}}`; empty if the model
            is not compiled.
        """
        if not getattr(self._model, "compiled", False):
            return {}
        # Metrics make their variables when they see the first batch, as `fit` will have them do.
        build_loss_and_metrics(self._model, self._labels, training_outputs)
        return {
            "training": self._measures(training_outputs, training=True),
            "inference": self._measures(self._run(self._inputs), training=False),
        }

    def _forward(self, inputs: Any) -> Any:
        with keras.StatelessScope():
            return predict_outputs(self._model, inputs)

    def _measures(self, outputs: Any, training: bool) -> dict[str, float]:
        values = self._judge(self._inputs, self._labels, outputs, training)
        return {name: float(value) for name, value in values.items() if _is_scalar(value)}

    def _judged(self, inputs: Any, labels: Any, outputs: Any, training: bool) -> dict[str, Any]:
        # In a stateless scope, assignments go to the scope and not to the variables.
        with keras.StatelessScope():
            for metric in self._model.metrics:
                metric.reset_state()
            loss = self._model.compute_loss(x=inputs, y=labels, y_pred=outputs, training=training)
            return {**self._model.compute_metrics(inputs, labels, outputs), "loss": loss}


def _is_scalar(value: Any) -> bool:
    """Whether it is one number; a custom `train_step` may also return text, vectors or None."""
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return isinstance(value, numbers.Real)
    return len(value.shape) == 0 and any(kind in str(dtype) for kind in ("float", "int", "bool"))


def in_both_modes(logs: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """What `fit` reports at the end of an epoch, split into training and validation data.

    Example:

    >>> in_both_modes({"loss": 0.5, "val_loss": 0.75})
    {'fit': {'loss': 0.5}, 'validation': {'loss': 0.75}}
    """
    scalars = {name: float(value) for name, value in logs.items() if _is_scalar(value)}
    return {
        "fit": {name: value for name, value in scalars.items() if not name.startswith("val_")},
        "validation": {
            name.removeprefix("val_"): value for name, value in scalars.items() if name.startswith("val_")
        },
    }
