"""The `training=` that a functional model's graph passes at a call site, as `base(x, training=False)`.

Up to Keras 3.15 `fit` and `predict` override such a flag; Keras 3.16 obeys it, and lets it
leak to every layer that is called later. A flag on the layer needs neither.
"""

from collections.abc import Iterable
from typing import Any

from tfbn.graph.keras_internals.graphs import calls_of
from tfbn.graph.traversal import named_layers

_KEPT = "_call_site_training"  # attribute in which a layer remembers the flag that was removed


def training_flags(layer: Any) -> list[bool]:
    """The `training=` values of the places where a layer is called in a graph; only those set.

    Example:

    >>> inputs = keras.Input((2,))
    >>> layer = keras.layers.BatchNormalization()
    >>> _ = layer(inputs, training=False), layer(inputs)
    >>> training_flags(layer)
    [False]
    """
    return [kwargs["training"] for kwargs in _keywords(layer) if kwargs.get("training") is not None]


def clear(model: Any, layers: Iterable[Any]) -> None:
    """Removes the flag where these layers, or containers that hold them, are called.

    Args:
        model: The model whose containers are searched, itself included.
        layers: Layers of the model.
    """
    for layer in _with_containers(model, layers):
        for kwargs in _keywords(layer):
            if kwargs.get("training") is not None:
                layer.__dict__.setdefault(_KEPT, []).append((kwargs, kwargs.pop("training")))


def restore(model: Any, layers: Iterable[Any]) -> None:
    """Undoes `clear`."""
    for layer in _with_containers(model, layers):
        for kwargs, training in layer.__dict__.pop(_KEPT, []):
            kwargs["training"] = training


def _keywords(layer: Any) -> list[dict[str, Any]]:
    return [node.arguments.kwargs for node in calls_of(layer)]


def _with_containers(model: Any, layers: Iterable[Any]) -> list[Any]:
    wanted = {id(layer) for layer in layers}
    everything = named_layers(model)
    paths = [named.path for named in everything if id(named.layer) in wanted]
    around = [
        named.layer
        for named in everything
        if id(named.layer) in wanted or any(path.startswith(f"{named.path}/") for path in paths)
    ]
    return [model, *around] if wanted else []
