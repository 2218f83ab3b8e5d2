"""Which layers a saved model recreates in their initial form, without flags that were set on them.

A `.keras` file, `clone_model` and `save_to_preset` keep the config of each object that a model's
config holds. A layer that another layer creates in its constructor has no config there: the
constructor creates it again, and only its weights are restored.
"""

from collections.abc import Iterable
from typing import Any

import keras

from tfbn.graph.data_flow import graph
from tfbn.graph.traversal import NamedLayer, named_layers


def made_in_constructors(model: Any, layers: Iterable[Any]) -> list[tuple[NamedLayer, Any]]:
    """The layers whose config is not part of the model's, each with the layer that creates it.

    Args:
        model: Any Keras model or layer.
        layers: Layers of it.

    Returns:
        `(named layer, maker)` in the model's order; the maker is the outermost one.

    Example:

    >>> class Block(keras.layers.Layer):
    ...     def __init__(self, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.bn = keras.layers.BatchNormalization()
    >>> block = Block(name="block")
    >>> model = keras.Sequential([block, keras.layers.BatchNormalization()])
    >>> found = made_in_constructors(model, [block.bn, model.layers[1]])
    >>> [(named.layer is block.bn, maker.name) for named, maker in found]
    [(True, 'block')]
    """
    wanted = {id(layer) for layer in layers}
    containers = {"": model}
    makers: dict[str, Any] = {}  # by the path of a layer that is not in a config
    found = []
    for named in named_layers(model):
        around = named.path.rpartition("/")[0]
        while around not in containers:  # names may hold slashes
            around = around.rpartition("/")[0]
        containers[named.path] = named.layer
        if around in makers:
            makers[named.path] = makers[around]
        elif not config_holds(containers[around], named.layer):
            makers[named.path] = containers[around]
        if id(named.layer) in wanted and named.path in makers:
            found.append((named, makers[named.path]))
    return found


def config_holds(container: Any, layer: Any) -> bool:
    """Whether the container's config has the layer's in it.

    Example:

    >>> layer = keras.layers.BatchNormalization()
    >>> config_holds(keras.layers.TimeDistributed(layer), layer)
    True
    """
    if graph(container) is not None and type(container).__module__.split(".")[0] == "keras":
        return True
    try:
        config = container.get_config()
    except Exception:  # custom code can raise anything; such a layer has no config that could hold it
        return False
    return any(_is_of(part, layer) for part in _parts(config))


def _parts(config: Any) -> Iterable[Any]:
    if isinstance(config, dict):
        yield config
        for value in config.values():
            yield from _parts(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _parts(value)
    elif isinstance(config, keras.layers.Layer):
        yield config


def _is_of(part: Any, layer: Any) -> bool:
    if not isinstance(part, dict):
        return part is layer
    inner = part.get("config")
    names = (type(layer).__name__, keras.saving.get_registered_name(type(layer)))
    named = isinstance(inner, dict) and inner.get("name") == layer.name
    return named and part.get("class_name") in names
