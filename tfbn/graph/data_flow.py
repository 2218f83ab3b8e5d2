"""Who calls whom in the graphs of functional models, on all levels."""

import collections
from typing import Any

import keras

from tfbn.graph.keras_internals import functional_of, graph_call, is_functional, maker_of, nodes_of


def graph(model: Any) -> Any | None:
    """The functional graph that a model runs, or None if it runs code of its own.

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
    """How often each layer of a model is called, after what, and who uses its outputs.

    Args:
        model: A model that has a `graph`.

    Attributes:
        forced: The ids of all layers that a call site puts into training mode for ever:
            `training=True` at their own call or at that of a model around them.

    Example:

    >>> dense, relu = keras.layers.Dense(1), keras.layers.ReLU()
    >>> flow = DataFlow(keras.Sequential([keras.Input((2,)), dense, relu]))
    >>> flow.calls(relu), flow.before(relu) is dense, flow.before(dense) is None
    (1, True, True)
    """

    def __init__(self, model: keras.Model):
        self._nodes: dict[int, list[Any]] = collections.defaultdict(list)  # by the operation's id
        self._users: collections.Counter[int] = collections.Counter()  # by the tensor's id
        self._graphs: set[int] = set()
        self._inputs: set[int] = set()
        self.forced: set[int] = set()
        self._visit(model, forced=False)

    def calls(self, layer: Any) -> int:
        """How often the layer is called, over all graphs."""
        return len(self._nodes[id(layer)])

    def before(self, layer: Any) -> Any | None:
        """The layer (or operation) whose output is the input of the first call; None for a model's input."""
        tensor = self._nodes[id(layer)][0].input_tensors[0]
        return None if id(tensor) in self._inputs else maker_of(tensor)

    def users_of_input(self, layer: Any) -> int:
        """How many calls use the tensor that the layer's first call uses; being a model's output counts."""
        return self._users[id(self._nodes[id(layer)][0].input_tensors[0])]

    def _visit(self, model: Any, forced: bool) -> None:
        flow = graph(model)
        if flow is None:
            return
        nodes = nodes_of(flow)
        if id(flow) not in self._graphs:
            self._graphs.add(id(flow))
            self._count(flow, nodes)
        for node in nodes:
            inside = forced or node.arguments.kwargs.get("training") is True
            if inside:
                self.forced.add(id(node.operation))
            self._visit(node.operation, inside)

    def _count(self, flow: Any, nodes: list[Any]) -> None:
        self._inputs.update(id(tensor) for tensor in flow.inputs)
        self._users.update(id(tensor) for tensor in flow.outputs)
        for node in nodes:
            self._nodes[id(node.operation)].append(node)
            self._users.update(id(tensor) for tensor in node.input_tensors)
