"""The part of a network that a new head is trained on."""

from typing import Any

import keras

from tfbn.graph.data_flow import graph
from tfbn.graph.selection import select
from tfbn.utils.validation import fail


def backbone(model: Any, up_to: str | None = None) -> keras.Model:
    """The network from its images to a vector of features.

    Args:
        model: A Functional or Sequential model with one input and one output.
        up_to: The features are the outputs of the last top-level layer that matches this pattern.
            None: the inputs of the last Dense layer, or the model's outputs if there is none.

    Returns:
        A model that shares the layers of `model`; feature maps are averaged over their positions.

    Raises:
        InputError: The model is not Functional or Sequential, or has no such features.

    Example:

    >>> head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(5, 3), *head])
    >>> backbone(model).output_shape
    (None, 5)
    """
    if graph(model) is None or not model.inputs:
        raise fail("model", "to be a functional or sequential model", type(model).__name__)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise fail("model", "to have one input and one output", model.name)
    features = _features(model, up_to)
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D(name="pooled")(features)
    if len(features.shape) != 2:
        raise fail("model", "to give features of shape (batch, channels) or a map", tuple(features.shape))
    return keras.Model(model.inputs[0], features, name=model.name)


def _features(model: Any, up_to: str | None) -> Any:
    if up_to is not None:
        chosen = {id(named.layer) for named in select(model, up_to)}
        fitting = [layer for layer in model.layers if id(layer) in chosen]
        if not fitting:
            raise fail("up_to", f"to name one of the layers of {model.name} itself", up_to)
        return fitting[-1].output
    last = next((layer for layer in reversed(model.layers) if isinstance(layer, keras.layers.Dense)), None)
    return model.outputs[0] if last is None else last.input
