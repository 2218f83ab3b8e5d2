"""Choosing layers of a model by pattern, by stage, or up to a layer."""

import fnmatch
from collections.abc import Iterable
from typing import Any

from tfbn.graph.dependencies import dependencies
from tfbn.graph.traversal import NamedLayer, named_layers
from tfbn.utils.validation import fail, near_names


def select(
    model: Any, layers: str | Iterable[str] | None = None, up_to: str | None = None
) -> list[NamedLayer]:
    """The layers of the layers that are named, containers and what they contain.

    Args:
        model: Any Keras model or layer.
        layers: One or several patterns, such as `"block_1*"` or `["A", "B", "C"]`. A layer
            is chosen if a pattern, with the wildcards `*`, `?` and `[...]`, fits its
            path (such as `"resnet50/conv1_bn"`), its own name, or the path or name of a
            container it is in. A pattern that fits none of these chooses the stage of
            that name: `"stage1"` chooses every `"stage1_..."`, but `"dense"` only the layer
            `"dense"` where there is one, not `"dense_1"`.
        up_to: A pattern; chooses every layer that the outputs of the matching layers depend on, and
            those layers. A model with a custom `call` has no graph; there it chooses every layer up
            to the last match, in the order of
            `tfbn.traversal.named_layers`.

    Returns:
        Named layers in the order of the model; all of them if nothing is named.

    Raises:
        InputError: A pattern fits nothing; near names are listed. The model holds no
            layers.

    Example:

    >>> model = tfbn.models.build("resnet8", width=4)
    >>> [named.path for named in select(model, up_to="stem_bn")]
    ['input', 'stem_conv', 'stem_bn']
    >>> select(model, "stage4")
    Traceback (most recent call last):
    tfbn.utils.validation.InputError: Expected `layers` to match a layer ... Received: layers='stage4'
    """
    everything = named_layers(model)
    if not everything:
        raise fail("model", "to hold layers: a built model, not a single layer", model.name)
    if layers is None and up_to is None:
        return everything
    chosen: set[int] = set()
    if layers is not None:
        if not isinstance(layers, Iterable):
            raise fail("layers", "to be one or several patterns, such as the name of a layer", layers)
        patterns = [layers] if isinstance(layers, str) else list(layers)
        if not patterns:
            raise fail("layers", "to name at least one layer", layers)
        for pattern in patterns:
            chosen |= _fitting(everything, pattern, "layers")
    if up_to is not None:
        chosen |= _up_to(model, everything, _fitting(everything, up_to, "up_to"))
    return [everything[i] for i in sorted(chosen)]


def _up_to(model: Any, everything: list[NamedLayer], targets: set[int]) -> set[int]:
    """Indices of the layers that those at these indices depend on."""
    needed = dependencies(model, [everything[i].layer for i in targets])
    if needed is None:
        return set(range(max(targets) + 1))
    return {i for i, named in enumerate(everything) if id(named.layer) in needed}


def _fitting(everything: list[NamedLayer], pattern: str, argument: str) -> set[int]:
    """Indices of the layers that a pattern chooses; raises if there are none."""
    if not isinstance(pattern, str):
        raise fail(argument, "to be text", pattern)
    named = [s for s in everything if _fits(s, pattern)] or [s for s in everything if _in_stage(s, pattern)]
    if not named:
        known = {name for s in everything for name in (s.path, s.layer.name, s.layer.name.split("_")[0])}
        raise fail(argument, f"to match a layer ({near_names(pattern, known)})", pattern)
    # By identity: a layer shared by two containers has its path in the first.
    chosen = {
        id(layer) for s in named for layer in (s.layer, *(inner.layer for inner in named_layers(s.layer)))
    }
    return {i for i, named in enumerate(everything) if id(named.layer) in chosen}


def _fits(named: NamedLayer, pattern: str) -> bool:
    return fnmatch.fnmatchcase(named.path, pattern) or fnmatch.fnmatchcase(named.layer.name, pattern)


def _in_stage(named: NamedLayer, pattern: str) -> bool:
    return fnmatch.fnmatchcase(named.layer.name, f"{pattern}_*")
