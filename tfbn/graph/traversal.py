"""Every layer of a model with its path, in the order in which the model lists them."""

import collections
import dataclasses
from collections.abc import Iterator
from typing import Any

import keras

from tfbn.graph import foreign_models
from tfbn.graph.keras_internals.graphs import is_functional
from tfbn.graph.keras_internals.layers import tracked_layers
from tfbn.utils.validation import InputError, fail


@dataclasses.dataclass(frozen=True)
class NamedLayer:
    """A layer and where it stands in a model.

    Attributes:
        path: The names from the model down to the layer, joined by slashes, as
            `"resnet50/conv1_bn"`; the model's own name is left out. Unique: a
            second layer with the same path gets `"#2"` at its end, and so do the paths
            of what it contains in their middle.
        layer: The layer itself. A layer used in several places appears once, at the first.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    >>> (named,) = named_layers(model)
    >>> named.path, named.layer is model.layers[0]
    ('dense', True)
    """

    path: str
    layer: Any


def named_layers(model: keras.layers.Layer) -> list[NamedLayer]:
    """Every layer below `model`, containers before what they contain.

    Functional and Sequential models list their layers in data-flow order, then layers that a subclass
    has as attributes, also in lists and dicts; any other model or layer lists
    them in the order in which its attributes were set.

    Args:
        model: Any Keras model or layer: functional, sequential, nested, subclassed.

    Returns:
        One `NamedLayer` for each layer, each layer once.

    Raises:
        InputError: `model` is no Keras model or layer.

    Example:

    >>> inner = keras.Sequential([keras.layers.Dense(2, name="dense")], name="inner")
    >>> outer = keras.Sequential([keras.Input((3,)), inner], name="outer")
    >>> [named.path for named in named_layers(outer)]
    ['inner', 'inner/dense']
    """
    if not isinstance(model, keras.layers.Layer):
        raise fail("model", "to be a Keras 3 model or layer", foreign_models.Described(model))
    return list(_walk(model, "", {id(model)}, collections.Counter()))


def batch_normalizations(model: keras.layers.Layer) -> list[NamedLayer]:
    """Every BatchNormalization layer of a model: stock, tfbn's, and other subclasses.

    `model` itself may be such a layer; then its path is its name.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="bn")])
    >>> [named.path for named in batch_normalizations(model)]
    ['bn']
    """
    if isinstance(model, keras.layers.BatchNormalization):
        return [NamedLayer(model.name, model)]
    return [
        named for named in named_layers(model) if isinstance(named.layer, keras.layers.BatchNormalization)
    ]


def built_batch_normalizations(model: Any) -> list[NamedLayer]:
    """The model's BatchNormalization layers; raises if there are none or they are not built.

    Raises:
        ValueError: The model has no BatchNormalization layer, or is not built.

    Example:

    >>> built_batch_normalizations(keras.Sequential([keras.layers.BatchNormalization()], name="unbuilt"))
    Traceback (most recent call last):
    tfbn.utils.validation.InputError: Expected `model` to be built: ... Received: model='unbuilt', whose ...
    """
    found = batch_normalizations(model)
    if not found:
        raise InputError(
            "Expected `model` to have at least one BatchNormalization layer, and to be built. "
            f"Received: model={model.name!r} with none"
        )
    unbuilt = [named.path for named in found if named.layer.moving_mean is None]
    if unbuilt:
        raise InputError(
            "Expected `model` to be built: call it on data once, or give it an Input. "
            f"Received: model={model.name!r}, whose layers {unbuilt[:5]} are not"
        )
    return found


def _walk(layer: Any, prefix: str, seen: set[int], paths: collections.Counter[str]) -> Iterator[NamedLayer]:
    for child in _children(layer):
        if id(child) in seen:
            continue
        seen.add(id(child))
        path = f"{prefix}{child.name}"
        paths[path] += 1
        if paths[path] > 1:
            path = f"{path}#{paths[path]}"
        yield NamedLayer(path, child)
        yield from _walk(child, f"{path}/", seen, paths)


def _children(layer: Any) -> list[Any]:
    tracked = tracked_layers(layer)
    if not isinstance(layer, keras.Sequential) and not is_functional(layer):
        return tracked
    # Those of the graph first, in data-flow order, then those that a subclass has as attributes.
    listed = {id(each) for each in layer.layers}
    inputs = keras.layers.InputLayer
    return layer.layers + [t for t in tracked if id(t) not in listed and not isinstance(t, inputs)]
