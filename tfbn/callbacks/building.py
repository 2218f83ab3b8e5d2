"""Models that are not built when `fit` begins: whether their layers are ready, and building them."""

from typing import Any

import keras

from tfbn.graph.traversal import NamedLayer, batch_normalizations


def ready_layers(model: Any) -> list[NamedLayer]:
    """The BatchNormalization layers that have their moving statistics."""
    return [each for each in batch_normalizations(model) if each.layer.moving_mean is not None]


def is_ready(model: Any) -> bool:
    """Whether all of them have; a model that is trained without being called is never `built`."""
    return model.built or 0 < len(ready_layers(model)) == len(batch_normalizations(model))


def has_call(model: Any) -> bool:
    """Whether a model defines what a call of it does."""
    return type(model).call is not keras.Model.call


def build(model: Any, data: Any) -> None:
    """Builds a model for the inputs of a step's data, inside or outside of that step's function."""
    inputs, *_ = keras.utils.unpack_x_y_sample_weight(data)
    model(keras.tree.map_structure(_symbolic, inputs))


def _symbolic(tensor: Any) -> Any:
    return keras.KerasTensor(tensor.shape, keras.backend.standardize_dtype(tensor.dtype))
