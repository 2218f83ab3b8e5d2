"""The graph inside a layer with a custom `call`, found by calling it on symbolic tensors.

A layer whose `call` uses layers and `keras.ops` alone gives the same calls each time, and those
can be looked at as in a functional model. What cannot be traced stays whole: code that looks at
values, that uses another library's operations, or weights that the layer itself has.
"""

import dataclasses
import inspect
from typing import Any

import keras

from tfbn.graph.keras_internals import graphs


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """The graph of one call of a layer.

    Attributes:
        inputs: Symbolic tensors in place of those of the call, in the same order.
        outputs: The outputs, flattened.
        structure: The outputs in the structure that the layer returns.
        nodes: The calls inside, in the order of the data; as in a Functional model.
    """

    inputs: list[Any]
    outputs: list[Any]
    structure: Any
    nodes: list[Any]


def trace(layer: Any, node: Any, training: bool = False, with_weights: bool = False) -> Traced | None:
    """The graph of a call of a layer, or None if it cannot be traced.

    The layer stays as it is: the records that Keras keeps on the inner layers are removed again.

    Args:
        layer: A built layer or model with a `call` of its own.
        node: The call, a node of the graph that it is in.
        training: The mode to trace it in, if its `call` takes one.
        with_weights: Whether operations on weights of the layer itself may be in the graph.

    Example:

    >>> class Block(keras.layers.Layer):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.dense = keras.layers.Dense(2)
    ...     def call(self, x):
    ...         return self.dense(x) + 1.0
    >>> inputs = keras.Input((3,))
    >>> block = Block()
    >>> _ = block(inputs)
    >>> [type(node.operation).__name__ for node in trace(block, graphs.calls_of(block)[0]).nodes]
    ['Dense', 'Add']
    """
    if any(graphs.carries_mask(tensor) for tensor in node.input_tensors):
        return None
    inputs = [keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in node.input_tensors]
    with graphs.noted_calls_removed(layer):
        try:
            entering = [_as_the_layer_takes(layer, tensor) for tensor in inputs]
            args, kwargs = _arguments(layer, node, entering, training)
            structure = layer.call(*args, **kwargs)
        except Exception:  # custom code on symbolic tensors can raise anything
            return None
        outputs = keras.tree.flatten(structure)
        if not outputs or not all(isinstance(tensor, keras.KerasTensor) for tensor in outputs):
            return None
        nodes = graphs.calls_between(inputs, outputs)
    if nodes is None or (not with_weights and any(_uses_weights(inner) for inner in nodes)):
        return None
    return Traced(inputs, outputs, structure, nodes)


def _as_the_layer_takes(layer: Any, tensor: Any) -> Any:
    """Casts inputs as Keras does before `call`."""
    wanted = layer.compute_dtype
    is_float = keras.backend.is_float_dtype(tensor.dtype)
    if layer.autocast and is_float and tensor.dtype != wanted:
        return keras.ops.cast(tensor, wanted)
    return tensor


def _arguments(layer: Any, node: Any, entering: list[Any], training: bool) -> tuple[Any, dict[str, Any]]:
    values = {id(old): new for old, new in zip(node.input_tensors, entering, strict=True)}
    args, kwargs = node.arguments.fill_in(values)
    takes = inspect.signature(layer.call).parameters
    flags = {"training": training} if "training" in takes else {}
    return args, {**{k: v for k, v in kwargs.items() if k != "training"}, **flags}


def _uses_weights(node: Any) -> bool:
    leaves = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    return any(hasattr(leaf, "assign") for leaf in leaves)
