"""Models that are not built when `fit` begins: whether their layers are ready, and building them."""

from typing import Any

import keras
import numpy as np

from tfbn.graph.traversal import NamedLayer, batch_normalizations
from tfbn.statistics.snapshots import Snapshot, Statistics


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


def initial_statistics(model: Any) -> Snapshot:
    """What the layers had before their first step, as their initializers give it."""

    def initial(layer: Any, name: str) -> np.ndarray:
        shape = getattr(layer, name).shape
        return np.array(keras.ops.convert_to_numpy(getattr(layer, f"{name}_initializer")(shape)), np.float64)

    return {
        each.path: Statistics(
            initial(each.layer, "moving_mean"),
            initial(each.layer, "moving_variance"),
            float(each.layer.epsilon),
        )
        for each in batch_normalizations(model)
    }


def steps_per_execution(model: Any) -> int:
    """How many train steps one call of the train function does."""
    return int(getattr(model, "steps_per_execution", 1) or 1)


def _symbolic(tensor: Any) -> Any:
    return keras.KerasTensor(tensor.shape, keras.backend.standardize_dtype(tensor.dtype))
