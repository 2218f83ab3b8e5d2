"""Checks whether the layers of a model are built when `fit` begins, and builds models that are not."""

from typing import Any

import keras
import numpy as np

from tfbn.graph.traversal import NamedLayer, batch_normalizations
from tfbn.statistics.snapshots import Snapshot, Statistics


def ready_layers(model: Any) -> list[NamedLayer]:
    """The BatchNormalization layers that have created their moving statistics."""
    return [each for each in batch_normalizations(model) if each.layer.moving_mean is not None]


def is_ready(model: Any) -> bool:
    """Whether all of them do; a model that is trained without being called is never `built`."""
    return model.built or 0 < len(ready_layers(model)) == len(batch_normalizations(model))


def has_call(model: Any) -> bool:
    """Whether a model defines `call`."""
    return type(model).call is not keras.Model.call


def build(model: Any, data: Any) -> None:
    """Builds a model for the inputs of a step's data, inside or outside of that step's function."""
    inputs, *_ = keras.utils.unpack_x_y_sample_weight(data)
    model(keras.tree.map_structure(_symbolic, inputs))


def initial_statistics(model: Any) -> Snapshot:
    """The statistics of the layers before their first step, from their initializers."""

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
    """Number of train steps in one call of the train function."""
    return int(getattr(model, "steps_per_execution", 1) or 1)


def _symbolic(tensor: Any) -> Any:
    return keras.KerasTensor(tensor.shape, keras.backend.standardize_dtype(tensor.dtype))
