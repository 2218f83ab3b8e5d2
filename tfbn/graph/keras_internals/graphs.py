"""Graphs of calls: of Functional models, of single operations, and of tensors without data."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from tfbn.graph.keras_internals.layers import all_layers


def functional_of(model: Any) -> Any | None:
    """The Functional model that a built Sequential runs; None before it is built.

    Since Keras 3.0: `Sequential._functional`. Sequential lists layers, not the calls of them.
    """
    return model._functional


def is_functional(model: Any) -> bool:
    """Whether a model keeps a graph of calls of its own, whatever its class is called.

    Since Keras 3.0: `_nodes_by_depth`, from `keras.src.ops.Function`. The class `Functional` has
    no public name.
    """
    return hasattr(model, "_nodes_by_depth")


def graph_call(model: Any) -> Any | None:
    """The `call` with which a Functional model runs its graph; None for models of other kinds.

    Since Keras 3.0: the class named `Functional` inside Keras.
    """
    kinds: list[Any] = [
        k for k in type(model).__mro__ if k.__name__ == "Functional" and "keras" in k.__module__
    ]
    return kinds[-1].call if kinds else None


def nodes_of(flow: Any) -> list[Any]:
    """The calls in a Functional model's graph, in data-flow order, without the inputs.

    Since Keras 3.0: `_nodes_by_depth`. A node has the public attributes `operation`, `arguments`,
    `input_tensors`, `outputs` and `is_input`.
    """
    groups = sorted(flow._nodes_by_depth.items(), reverse=True)
    return [node for _, group in groups for node in group if not node.is_input]


def calls_of(operation: Any) -> list[Any]:
    """The places where an operation was called on symbolic tensors, in any graph, as nodes.

    Since Keras 3.0: `Operation._inbound_nodes`.
    """
    return getattr(operation, "_inbound_nodes", [])


def maker_of(tensor: Any) -> Any:
    """The layer or operation that a symbolic tensor comes out of.

    Since Keras 3.0: `KerasTensor._keras_history`.
    """
    return tensor._keras_history.operation


def carries_mask(tensor: Any) -> bool:
    """Whether a tensor has a mask that Keras would pass on to the next layer.

    Since Keras 3.0: `_keras_mask`.
    """
    return getattr(tensor, "_keras_mask", None) is not None


def output_spec(function: Any, inputs: Any) -> Any:
    """Runs a function of symbolic tensors once, without data, and returns its symbolic outputs.

    Uses public names only: a temporary layer has Keras do it.
    """
    layer = _Throwaway(function)
    try:
        return layer.compute_output_spec(inputs)
    except Exception:
        # Keras wraps the error in a message about the layer; the function's own error is more useful.
        error = layer.__dict__.get("error")
        if error is None:
            raise
        raise error from None


class _Throwaway(keras.layers.Layer):
    def __init__(self, function: Any):
        super().__init__(dtype="float32", autocast=False)
        self.__dict__["function"] = function  # past Keras's __setattr__, which would track the layers in it

    def call(self, inputs: Any) -> Any:
        try:
            return self.__dict__["function"](inputs)
        except Exception as error:
            self.__dict__["error"] = error
            raise


@contextlib.contextmanager
def noted_calls_removed(layer: Any) -> Iterator[None]:
    """After the block, the layer and those inside it have no record of the calls made in it.

    Since Keras 3.0: `Operation._inbound_nodes` and `_outbound_nodes`.
    """
    noted = [each for one in all_layers(layer) for each in (one._inbound_nodes, one._outbound_nodes)]
    sizes = [len(each) for each in noted]
    try:
        yield
    finally:
        for each, size in zip(noted, sizes, strict=True):
            del each[size:]


def calls_between(inputs: list[Any], outputs: list[Any]) -> list[Any] | None:
    """The calls that compute some tensors from others, in data-flow order; None if they need further
    inputs.

    Since Keras 3.0: `KerasTensor._keras_history` and `Operation._inbound_nodes`.
    """
    known = {id(tensor) for tensor in inputs}
    order: list[Any] = []
    waiting = [(tensor, False) for tensor in reversed(outputs)]
    while waiting:
        tensor, ready = waiting.pop()
        if id(tensor) in known:
            continue
        history = tensor._keras_history
        if history.operation is None or isinstance(history.operation, keras.layers.InputLayer):
            return None
        node = history.operation._inbound_nodes[history.node_index]
        if ready:
            order.append(node)
            known.update(id(made) for made in node.outputs)
        else:
            waiting.append((tensor, True))
            waiting += [(each, False) for each in reversed(node.input_tensors)]
    return order
