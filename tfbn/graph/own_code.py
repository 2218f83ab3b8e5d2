"""Whether layers with code of their own do the same in `fit` and in `predict`, but for the layers inside.

A block that hands `training` on to its BatchNormalization computes the same in both modes if that
layer does. A block that looks at `training` itself, as stochastic depth, does not.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tfbn.graph.data_flow import graph
from tfbn.graph.keras_internals.graphs import calls_of, nodes_of
from tfbn.graph.keras_internals.layers import own_state
from tfbn.graph.tracing import Traced, trace


def looks_at_training(layer: Any) -> bool:
    """Whether a layer's own code could do something else in training: it takes `training`, or has state.

    Example:

    >>> looks_at_training(keras.layers.Dropout(0.5)), looks_at_training(keras.layers.Lambda(abs))
    (False, False)
    >>> looks_at_training(keras.layers.Lambda(lambda x, training: 2 * x if training else x))
    True
    """
    if isinstance(layer, keras.layers.Lambda):
        return _takes_training(layer.function)
    if _is_known(layer) or graph(layer) is not None:
        return False
    return _takes_training(layer.call) or bool(own_state(layer))


def adds_to_the_loss(layer: Any) -> bool:
    """Whether a layer's own code calls `add_loss`.

    Example:

    >>> adds_to_the_loss(keras.layers.Dense(1, activity_regularizer="l2"))  # not by code of its own
    False
    """
    if _is_known(layer):
        return False
    theirs = [each for each in type(layer).__mro__ if each.__module__.split(".")[0] not in ("keras", "tfbn")]
    functions = [inspect.unwrap(each) for kind in theirs for each in vars(kind).values() if callable(each)]
    return any("add_loss" in each.__code__.co_names for each in functions if inspect.isfunction(each))


def same_in_training(operation: Any) -> set[int]:
    """The ids of layers whose own code was seen to do the same in both modes.

    Each is traced in training and in inference mode, from the outside inwards; what the layers
    in it do with `training` is a question of theirs.

    Args:
        operation: A layer or operation in the graph of a functional model.

    Example:

    >>> same_in_training(keras.layers.Dense(2))  # Keras's own code is known
    set()
    """
    seen: dict[int, bool] = {}
    for node in calls_of(operation):
        for layer, is_same in _compared(node):
            seen[id(layer)] = is_same and seen.get(id(layer), True)
    return {key for key, is_same in seen.items() if is_same}


def _compared(node: Any) -> Iterator[tuple[Any, bool]]:
    """Each layer with code of its own in a call, and whether that is the same in both modes."""
    layer = node.operation
    flow = graph(layer)
    if flow is not None:
        for inner in nodes_of(flow):
            yield from _compared(inner)
    if flow is not None or not isinstance(layer, keras.layers.Layer) or _is_known(layer):
        return
    # State that a layer changes by itself leaves no mark in its graph.
    in_fit = None if own_state(layer) else trace(layer, node, training=True, with_weights=True)
    in_predict = None if in_fit is None else trace(layer, node, training=False, with_weights=True)
    yield layer, in_fit is not None and in_predict is not None and _alike(in_fit, in_predict)
    for inner in in_fit.nodes if in_fit is not None else ():
        yield from _compared(inner)


def _alike(one: Traced, other: Traced) -> bool:
    """Whether two graphs have the same operations on the same tensors."""
    ours, theirs = list(_leaves(one)), list(_leaves(other))
    return len(ours) == len(theirs) and all(map(_equal, ours, theirs))


def _leaves(traced: Traced) -> Iterator[Any]:
    """Everything that a graph computes by, in the order of the data, tensors as numbers."""
    numbers = {id(tensor): i for i, tensor in enumerate(traced.inputs)}

    def numbered(values: Any) -> Iterator[Any]:
        for leaf in keras.tree.flatten(values):
            yield ("tensor", numbers[id(leaf)]) if id(leaf) in numbers else leaf

    for node in traced.nodes:
        operation, kwargs = node.operation, dict(node.arguments.kwargs)
        if isinstance(operation, keras.layers.Layer):
            kwargs.pop("training", None)
            yield operation
        else:
            yield type(operation)
            settings = {name: value for name, value in vars(operation).items() if name[0] != "_"}
            yield from numbered([settings[name] for name in sorted(settings) if name != "name"])
        yield from sorted(kwargs)
        yield from numbered((node.arguments.args, list(dict(sorted(kwargs.items())).values())))
        for tensor in node.outputs:
            numbers[id(tensor)] = len(numbers)
    yield from numbered(traced.outputs)


def _equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if hasattr(one, "shape") or hasattr(other, "shape"):  # constants; weights are the same objects
        return not hasattr(one, "assign") and np.array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
    return type(one) is type(other) and bool(one == other)


def _is_known(layer: Any) -> bool:
    return type(layer).__module__.split(".")[0] in ("keras", "tfbn")


def _takes_training(function: Any) -> bool:
    try:
        return "training" in inspect.signature(function).parameters
    except ValueError:  # a built-in function has no signature, and no such argument
        return False
