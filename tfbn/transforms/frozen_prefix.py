"""The frozen prefix of a model: how far its outputs stay constant, and both parts as models."""

import collections
import dataclasses
from collections.abc import Iterator
from typing import Any

import keras

from tfbn.graph.data_flow import graph
from tfbn.graph.keras_internals.graphs import carries_mask, nodes_of
from tfbn.graph.keras_internals.layers import has_seeds
from tfbn.graph.own_code import adds_to_the_loss, looks_at_training, same_in_training
from tfbn.graph.recursion import deep_graphs
from tfbn.graph.selection import select
from tfbn.graph.symbolic_calls import received
from tfbn.graph.traversal import batch_normalizations, named_layers
from tfbn.layers import modes
from tfbn.utils.validation import InputError, fail


@dataclasses.dataclass(frozen=True)
class Boundary:
    """A place in a model where one tensor carries everything on.

    Attributes:
        operation: The layer just before it.
        tensor: The symbolic tensor.
        levels: (graph, number of its nodes that come before the cut), outermost first.
            On all levels but the last, the next node is the nested model that is cut.
    """

    operation: Any
    tensor: Any
    levels: tuple[tuple[Any, int], ...]

    def split(self, model: keras.Model) -> tuple[keras.Model, keras.Model]:
        """The parts before and after the cut, made of the model's own layers.

        Returns:
            `(prefix, rest)`: `rest(prefix(x))` is `model(x)`. The nested model that is cut
            is not a layer of theirs, its layers are.
        """
        with deep_graphs():
            return self._prefix(model), self._rest(model)

    def prefix(self, model: keras.Model) -> keras.Model:
        """The part before the cut; a single input is the tensor itself, not a list of one."""
        with deep_graphs():
            found = self._prefix(model)
            return keras.Model(found.inputs[0], found.outputs[0]) if len(found.inputs) == 1 else found

    def _prefix(self, model: keras.Model) -> keras.Model:
        structure = self.levels[0][0].input
        inputs = keras.tree.map_structure(_input_like, structure)
        entering = keras.tree.flatten(inputs)
        for flow, position in self.levels:
            nodes = nodes_of(flow)
            values = dict(zip(map(id, flow.inputs), entering, strict=True))
            _replay(nodes[:position], values)
            if (flow, position) != self.levels[-1]:  # on into the nested model that is cut
                entering = [values[id(nodes[position].input_tensors[0])]]
        return keras.Model(inputs, values[id(self.tensor)], name=f"{model.name}_prefix")

    def _rest(self, model: keras.Model) -> keras.Model:
        inputs = leaving = _input_like(self.tensor)
        start = self.tensor
        for flow, position in reversed(self.levels):
            nodes = nodes_of(flow)
            if start is None:  # the nested model that is cut has run
                start, position = nodes[position].outputs[0], position + 1
            values = {id(start): leaving}
            _replay(nodes[position:], values)
            start, leaving = None, values[id(flow.outputs[0])]
        outputs = keras.tree.map_structure(lambda tensor: values[id(tensor)], flow.output)
        return keras.Model(inputs, outputs, name=model.name)


@dataclasses.dataclass(frozen=True)
class Obstacle:
    """A layer whose outputs change from one step of `fit` to the next.

    Attributes:
        path: The layer's path.
        reason: The reason.
        frozen: Whether it has weights and none of them train.
    """

    path: str
    reason: str
    frozen: bool

    def __str__(self) -> str:
        return f"layer {self.path!r}: {self.reason}"


def find(model: keras.Model, up_to: str | None = None) -> Boundary:
    """Finds the end of the longest prefix of a model whose outputs for a sample are constant.

    Args:
        model: A Functional or Sequential model, built.
        up_to: End just after the last layer that matches this pattern, see
            `tfbn.graph.selection.select`.

    Returns:
        A `Boundary`; layers with weights come before it and some that train after it.

    Raises:
        InputError: There is no such prefix; the message names the layer in the way.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    >>> _ = tfbn.freeze(model, "dense*")
    >>> tfbn.unfreeze(model, model.layers[1].name)[0].flag
    'trainable'
    >>> find(model).operation is model.layers[0]
    True
    """
    flow = graph(model)
    if flow is None:
        what = f"{model.name} of class {type(model).__name__}"
        raise fail("model", "to be a Functional or Sequential model that is built", what)
    if not model.trainable_variables:
        raise fail("model", "to have trainable weights: there is nothing left to train", model.name)
    obstacles = _Obstacles(model)
    return _longest(model, obstacles) if up_to is None else _named(model, obstacles, up_to)


def _longest(model: keras.Model, obstacles: "_Obstacles") -> Boundary:
    cut, found, weights = None, None, False
    for operation, place in _walk(graph(model)):
        if place is None:
            found = next(iter(obstacles.of(operation)), None)
            weights = weights or bool(getattr(operation, "weights", ()))
        elif weights:
            cut = place
        if found:
            break
    # Layers that train end the prefix as intended; frozen layers whose mode forbids it do not.
    if cut is None or (found and found.frozen):
        raise _refusal("the model's frozen layers", found)
    return cut


def _named(model: keras.Model, obstacles: "_Obstacles", up_to: str) -> Boundary:
    select(model, up_to=up_to)  # raises if it fits nothing
    targets = {id(named.layer) for named in select(model, up_to)}
    cut, before = None, []
    found: list[Obstacle] = []
    for operation, place in _walk(graph(model)):
        if place is None:
            found += obstacles.of(operation)
        elif id(operation) in targets:
            cut, before = place, list(found)
    if cut is None:
        what = "to name a layer after which one tensor alone, without a mask, carries everything on"
        raise fail("up_to", what, up_to)
    if before:
        raise _refusal(f"the layers up to {up_to!r}", before[0])
    return cut


def _refusal(where: str, obstacle: Obstacle | None) -> InputError:
    what = obstacle or "no place where one tensor alone carries everything on"
    return InputError(f"Expected {where} to give the same outputs all through `fit`. Received: {what}")


def walk(model: keras.Model) -> Iterator[tuple[Any, Boundary | None]]:
    """In data-flow order: each layer, and after it the `Boundary`, if there is one.

    Each layer is given as `(layer, None)` first, and again with the boundary after it.
    """
    return _walk(graph(model))


def _walk(flow: Any, levels: tuple[tuple[Any, int], ...] = ()) -> Iterator[tuple[Any, Boundary | None]]:
    """In data-flow order: each layer, and after it the cut, if one is possible."""
    nodes = nodes_of(flow)
    waiting = collections.Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    waiting.update(id(tensor) for tensor in flow.outputs)
    live = {id(tensor): tensor for tensor in flow.inputs}
    for position, node in enumerate(nodes):
        inner = graph(node.operation)
        alone = len(live) == 1 and sum(waiting[key] for key in live) == len(node.input_tensors) == 1
        if inner is not None and alone and len(inner.inputs) == len(inner.outputs) == 1:
            yield from _walk(inner, (*levels, (flow, position)))
        else:
            yield node.operation, None
        for tensor in node.input_tensors:
            waiting[id(tensor)] -= 1
        live |= {id(tensor): tensor for tensor in node.outputs}
        live = {key: tensor for key, tensor in live.items() if waiting[key]}
        tensor = next(iter(live.values()))
        # A mask would get lost.
        if len(live) == 1 and not carries_mask(tensor):
            yield node.operation, Boundary(node.operation, tensor, (*levels, (flow, position + 1)))


class _Obstacles:
    """The reasons why outputs of layers change from one step of `fit` to the next."""

    def __init__(self, model: keras.Model):
        norms = [named.layer for named in batch_normalizations(model)]
        self._calls = received(model, norms, training=True)
        self._trained = {id(variable) for variable in model.trainable_variables}
        self._path = {id(named.layer): named.path for named in named_layers(model)}

    def of(self, operation: Any) -> Iterator[Obstacle]:
        """One for each layer in the operation that does."""
        if not isinstance(operation, keras.layers.Layer):
            return
        same = same_in_training(operation)
        for layer in (operation, *(named.layer for named in named_layers(operation))):
            reason = self._reason(layer, is_same=id(layer) in same)
            if reason:
                path = self._path.get(id(layer), layer.name)
                yield Obstacle(path, reason, frozen=bool(layer.weights) and not self._trains(layer))

    def _trains(self, layer: Any) -> bool:
        return any(id(variable) in self._trained for variable in layer.weights)

    def _reason(self, layer: Any, is_same: bool) -> str | None:
        if isinstance(layer, keras.layers.BatchNormalization):
            reason = self._of_batch_normalization(layer)
            if reason:
                return reason
        if self._trains(layer):
            return "its weights train"
        if _is_random(layer):
            return "it is random in training"
        if isinstance(layer, keras.layers.SpectralNormalization) or getattr(layer, "stateful", False):
            return "it changes its state in every call"
        if getattr(layer, "activity_regularizer", None) is not None:
            return "it adds to the loss (activity_regularizer)"
        if adds_to_the_loss(layer):
            return "it adds to the loss (add_loss)"
        if looks_at_training(layer) and not is_same:
            return f"it is a {type(layer).__name__}, whose own code decides what it does in training"
        return None

    def _of_batch_normalization(self, layer: Any) -> str | None:
        for call in self._calls.get(id(layer), []):
            mode = modes.of_layer(layer, training_call=bool(call.training))
            if mode.normalizes_by == "batch":
                return "it normalizes by the batch (`training=False` on the layer holds it)"
            if modes.of_layer(layer, training_call=False).normalizes_by == "batch":
                return "it normalizes by the batch in inference (batch_statistics_in_inference)"
            if mode.updates:
                return "its moving statistics update (`update_statistics=False` holds them)"
        return None


def _is_random(layer: Any) -> bool:
    rates = [getattr(layer, name, None) for name in ("rate", "dropout", "recurrent_dropout")]
    known = [rate for rate in rates if isinstance(rate, (int, float))]
    # Some layers have a seed generator though their rates are 0.
    return has_seeds(layer) and (not known or any(known))


def _replay(nodes: list[Any], values: dict[int, Any]) -> None:
    """Calls the operations of nodes again; `values` are by the id of the tensor they stand for."""
    for node in nodes:
        args, kwargs = node.arguments.fill_in(values)
        outputs = keras.tree.flatten(node.operation(*args, **kwargs))
        values.update(zip(map(id, node.outputs), outputs, strict=True))


def _input_like(tensor: Any) -> Any:
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, sparse=tensor.sparse)
