"""Every layer of a model with its path, in the order in which the model lists them."""

import collections
import dataclasses
from collections.abc import Iterator
from typing import Any

import keras

from tfbn.validation import fail


@dataclasses.dataclass(frozen=True)
class Site:
    """A layer and where it stands in a model.

    Attributes:
        path: The names from the model down to the layer, joined by slashes, as
            `"resnet50/conv1_bn"`; the model's own name is left out. Unique: a
            second layer with the same path gets `"#2"` at its end, and so do the paths
            of what it contains in their middle.
        layer: The layer itself. A layer used in several places has one site, the
            first.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    >>> (site,) = sites(model)
    >>> site.path, site.layer is model.layers[0]
    ('dense', True)
    """

    path: str
    layer: Any


def sites(model: keras.layers.Layer) -> list[Site]:
    """Every layer below `model`, containers before what they contain.

    Functional and Sequential models list their layers in data-flow order; a
    subclassed one lists them in the order in which its attributes were set.

    Args:
        model: Any Keras model or layer: functional, sequential, nested, subclassed.

    Returns:
        One `Site` for each layer, each layer once.

    Raises:
        InputError: `model` is no Keras model or layer.

    Example:

    >>> inner = keras.Sequential([keras.layers.Dense(2, name="dense")], name="inner")
    >>> outer = keras.Sequential([keras.Input((3,)), inner], name="outer")
    >>> [site.path for site in sites(outer)]
    ['inner', 'inner/dense']
    """
    if not isinstance(model, keras.layers.Layer):
        raise fail("model", "to be a Keras model or layer", model)
    return list(_walk(model, "", {id(model)}, collections.Counter()))


def batch_normalizations(model: keras.layers.Layer) -> list[Site]:
    """The sites of every BatchNormalization layer: stock, tfbn's and subclasses by others.

    `model` itself may be such a layer; its path is then its name.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="bn")])
    >>> [site.path for site in batch_normalizations(model)]
    ['bn']
    """
    if isinstance(model, keras.layers.BatchNormalization):
        return [Site(model.name, model)]
    return [site for site in sites(model) if isinstance(site.layer, keras.layers.BatchNormalization)]


def _walk(layer: Any, prefix: str, seen: set[int], paths: collections.Counter[str]) -> Iterator[Site]:
    for child in _children(layer):
        if id(child) in seen:
            continue
        seen.add(id(child))
        path = f"{prefix}{child.name}"
        paths[path] += 1
        if paths[path] > 1:
            path = f"{path}#{paths[path]}"
        yield Site(path, child)
        yield from _walk(child, f"{path}/", seen, paths)


def _children(layer: Any) -> list[Any]:
    if isinstance(layer, keras.Model) and not _is_subclassed(layer):
        return layer.layers
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _is_subclassed(model: keras.Model) -> bool:
    from keras.models import Sequential

    return not isinstance(model, Sequential) and not hasattr(model, "_nodes_by_depth")
