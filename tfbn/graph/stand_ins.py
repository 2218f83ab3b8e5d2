"""Stock layers that answer a symbolic call without computing, by a tensor of the right shape.

Tracing every operation of a large network takes seconds, and only to know which arguments its layers
receive. Where a tensor of the same shape and type was already made, a copy of it serves as well.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tfbn.graph.call_hooks import replaced
from tfbn.graph.traversal import named_layers

# Layers of one input, whose outputs have the shape that `compute_output_shape` says and their compute type.
_SHAPED = {
    keras.layers.Activation,
    keras.layers.AveragePooling2D,
    keras.layers.BatchNormalization,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3D,
    keras.layers.Dense,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dropout,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.MaxPooling2D,
    keras.layers.ReLU,
    keras.layers.SeparableConv2D,
    keras.layers.SpatialDropout2D,
    keras.layers.ZeroPadding2D,
}


@contextlib.contextmanager
def stand_ins(model: Any) -> Iterator[None]:
    """While the block runs, a stock layer of the model computes only what has a new shape.

    Only inside TensorFlow's graphs; elsewhere, layers compute as ever. Subclasses do so too.

    Args:
        model: A built model.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), keras.layers.Dense(3)])
    >>> with stand_ins(model):
    ...     model(keras.KerasTensor((None, 3))).shape
    (None, 3)
    """
    layers = [named.layer for named in named_layers(model) if _is_shaped(named.layer)]
    made: dict[tuple, Any] = {}

    def answer(layer: Any, call: Callable, inputs: Any, training: bool | None, mask: Any) -> Any:
        given = {"training": training, "mask": mask}
        arguments = {name: value for name, value in given.items() if value is not None}
        graph = getattr(inputs, "graph", None)
        if graph is None:
            return call(inputs, **arguments)
        shape = tuple(layer.compute_output_shape(tuple(inputs.shape)))
        key = (id(graph), shape, layer.compute_dtype)
        if key in made:
            return tf.identity(made[key])
        outputs = call(inputs, **arguments)
        if (tuple(outputs.shape), outputs.dtype.name) == key[1:]:
            made[key] = outputs  # which keeps its graph, and so the graph's id
        return outputs

    with replaced(layers, answer):
        yield


def _is_shaped(layer: Any) -> bool:
    ours = isinstance(layer, keras.layers.BatchNormalization) and type(layer).__module__.startswith("tfbn.")
    return ours or type(layer) in _SHAPED
