"""The calls in the graphs of functional models, on all levels of nesting."""

import collections
from collections.abc import Callable
from typing import Any

import keras

from tfbn.graph.keras_internals.graphs import functional_of, graph_call, is_functional, maker_of, nodes_of
from tfbn.graph.tracing import Traced, trace


def graph(model: Any) -> Any | None:
    """The functional graph that a model runs, or None if it has a custom `call`.

    Args:
        model: A Keras model or layer.

    Returns:
        The functional model itself, the one behind a built Sequential, or None: for
        subclassed models, also for those that give a functional model another `call`.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> graph(model) is not None, graph(keras.layers.Dense(1)) is None
    (True, True)
    """
    if isinstance(model, keras.Sequential):
        return functional_of(model) if type(model).call is keras.Sequential.call else None
    return model if is_functional(model) and type(model).call is graph_call(model) else None


class DataFlow:
    """How often each layer of a model is called, after which layer, and what uses its outputs.

    Args:
        model: A model that has a `graph`.
        reach_into: Predicate for layers with a custom `call` to look into; those that can be traced
            (`tfbn.graph.tracing`) count like nested models.

    Attributes:
        traced: The graphs of those, by the layer's id.
        forced: The ids of all layers that a call site puts into training mode permanently:
            `training=True` at their own call or at that of a model around them.

    Example:

    >>> dense, relu = keras.layers.Dense(1), keras.layers.ReLU()
    >>> flow = DataFlow(keras.Sequential([keras.Input((2,)), dense, relu]))
    >>> flow.calls(relu), flow.before(relu) is dense, flow.before(dense) is None
    (1, True, True)
    """

    def __init__(self, model: keras.Model, reach_into: Callable[[Any], bool] | None = None):
        self._nodes: dict[int, list[Any]] = collections.defaultdict(list)  # by the operation's id
        self._users: dict[int, list[Any]] = collections.defaultdict(list)  # by the tensor's id
        self._graphs: set[int] = set()
        self._inputs: set[int] = set()
        self._outputs: set[int] = set()  # of functional models
        self._reach_into = reach_into or (lambda layer: False)
        self.traced: dict[int, Traced] = {}
        self.forced: set[int] = set()
        self._visit(model, graph(model), forced=False)

    def calls(self, layer: Any) -> int:
        """How often the layer is called, over all graphs."""
        return len(self._nodes[id(layer)])

    def before(self, layer: Any) -> Any | None:
        """The layer (or operation) whose output is the input of the first call; None for a model's input."""
        tensor = self._nodes[id(layer)][0].input_tensors[0]
        return None if id(tensor) in self._inputs else maker_of(tensor)

    def after(self, layer: Any) -> Any | None:
        """The layer (or operation) that alone uses the output of the first call; None if there are others."""
        users = self._users[id(self._nodes[id(layer)][0].outputs[0])]
        return users[0].operation if len(users) == 1 and users[0] is not None else None

    def users_of_input(self, layer: Any) -> int:
        """How many calls use the tensor that the layer's first call uses; being a model's output counts."""
        return len(self._users[id(self._nodes[id(layer)][0].input_tensors[0])])

    def is_output(self, layer: Any) -> bool:
        """Whether what the layer gives is an output of a functional model, which is then named after it."""
        return any(id(tensor) in self._outputs for node in self._nodes[id(layer)] for tensor in node.outputs)

    def _visit(self, model: Any, flow: Any, forced: bool) -> None:
        if flow is None:
            return
        nodes = flow.nodes if isinstance(flow, Traced) else nodes_of(flow)
        if id(flow) not in self._graphs:
            self._graphs.add(id(flow))
            self._count(flow, nodes)
            if flow is model:  # a Sequential model's outputs have no names
                self._outputs.update(id(tensor) for tensor in flow.outputs)
        for node in nodes:
            inside = forced or node.arguments.kwargs.get("training") is True
            if inside:
                self.forced.add(id(node.operation))
            self._visit(node.operation, graph(node.operation) or self._trace(node), inside)

    def _trace(self, node: Any) -> Traced | None:
        layer = node.operation
        if id(layer) not in self.traced and len(self._nodes[id(layer)]) == 1 and self._reach_into(layer):
            found = trace(layer, node)
            if found is not None:
                self.traced[id(layer)] = found
        return self.traced.get(id(layer))

    def _count(self, flow: Any, nodes: list[Any]) -> None:
        self._inputs.update(id(tensor) for tensor in flow.inputs)
        for tensor in flow.outputs:
            self._users[id(tensor)].append(None)
        for node in nodes:
            self._nodes[id(node.operation)].append(node)
            for tensor in node.input_tensors:
                self._users[id(tensor)].append(node)
