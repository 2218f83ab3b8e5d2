"""The layers that an output depends on, in the graphs of functional models on all levels of nesting."""

from collections.abc import Iterable
from typing import Any

import keras

from tfbn.graph.data_flow import graph
from tfbn.graph.keras_internals.graphs import maker_of, nodes_of
from tfbn.graph.traversal import named_layers


def dependencies(model: Any, targets: Iterable[Any]) -> set[int] | None:
    """The ids of the layers that the outputs of some layers depend on, these layers included.

    A nested model counts with everything in it if all of it is needed, otherwise only the layers that
    are. A shared layer counts as a whole: each of its calls.

    Args:
        model: The model to look in.
        targets: Layers of it, on any level.

    Returns:
        The ids, or None if the graphs do not show it: the model has a custom `call`, or a target is
        not in its graph.

    Example:

    >>> first, second, other = (keras.layers.Dense(2) for _ in range(3))
    >>> inputs = keras.Input((2,))
    >>> model = keras.Model(inputs, [second(first(inputs)), other(inputs)])
    >>> found = dependencies(model, [second])
    >>> id(first) in found, id(second) in found, id(other) in found
    (True, True, False)
    """
    flow = graph(model)
    wanted = {id(target) for target in targets}
    if flow is None:
        return None
    needed, _ = _upstream(flow, wanted, set())
    return needed if wanted <= needed else None


def _upstream(flow: Any, wanted: set[int], outputs: set[int]) -> tuple[set[int], set[int]]:
    """The layers (by id) and inputs (by position) that some layers and outputs depend on."""
    tensors = {id(flow.outputs[position]) for position in outputs}
    found: set[int] = set()
    for node in reversed(nodes_of(flow)):
        operation = node.operation
        used = {position for position, tensor in enumerate(node.outputs) if id(tensor) in tensors}
        inner = graph(operation)
        if inner is None or id(operation) in wanted:
            if used or id(operation) in wanted or _holds(operation, wanted):
                found |= _whole(operation)
                tensors |= {id(tensor) for tensor in node.input_tensors}
            continue
        inside, positions = _upstream(inner, wanted, used)
        found |= inside
        tensors |= {id(node.input_tensors[position]) for position in positions}
        contents = _whole(operation) - {id(operation)}
        if contents <= found:
            found.add(id(operation))
    positions = {position for position, tensor in enumerate(flow.inputs) if id(tensor) in tensors}
    return found | {id(maker_of(flow.inputs[position])) for position in positions}, positions


def _whole(operation: Any) -> set[int]:
    layers = named_layers(operation) if isinstance(operation, keras.layers.Layer) else []
    return {id(operation), *(id(named.layer) for named in layers)}


def _holds(operation: Any, wanted: set[int]) -> bool:
    return not wanted.isdisjoint(_whole(operation))
