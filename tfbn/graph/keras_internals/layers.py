"""Layers: those inside one, the variables it made itself, and what BatchNormalization computes."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


def tracked_layers(layer: Any) -> list[Any]:
    """The layers directly inside a layer: those of its graph, then its attributes, also in lists and dicts.

    Since Keras 3.0: `Layer._flatten_layers`. For a Sequential model this includes its InputLayer,
    which `layers` leaves out, but no attributes, since Sequential replaces `Layer._layers` by a list
    of its own. Those are looked up.
    """
    found = list(layer._flatten_layers(include_self=False, recursive=False))
    if isinstance(layer, keras.Sequential):
        own = ("_layers", "_functional", "_tracker", "_modules")  # and TensorFlow's, `_self_...`
        attributes = [v for name, v in vars(layer).items() if name not in own and name[:6] != "_self_"]
        found += [each for each in _layers_in(attributes) if each is not layer]
    return list({id(each): each for each in found}.values())


def _layers_in(value: Any) -> Iterator[Any]:
    if isinstance(value, keras.layers.Layer):
        yield value
    elif isinstance(value, list | tuple | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _layers_in(each)


def all_layers(layer: Any) -> list[Any]:
    """The layer and every layer inside it, in an order that two layers of one class and config share.

    Since Keras 3.0: `Layer._flatten_layers`.
    """
    return list(layer._flatten_layers())


def own_trainable_variables(layer: Any) -> list[Any]:
    """The variables that a layer made itself as trainable, frozen or not; none of its sublayers'.

    Since Keras 3.0: `Layer._trainable_variables`.
    """
    return layer._trainable_variables


def own_state(layer: Any) -> list[Any]:
    """The variables that a layer made itself with `trainable=False`; none of its sublayers'.

    Since Keras 3.0: `Layer._non_trainable_variables`.
    """
    return layer._non_trainable_variables


def has_seeds(layer: Any) -> bool:
    """Whether a layer draws random numbers from its own seed.

    Since Keras 3.0: `Layer._seed_generators`.
    """
    return bool(layer._seed_generators)


@contextlib.contextmanager
def cells_called_in_steps_only(rnn: Any) -> Iterator[None]:
    """While the block runs, a recurrent layer calls its cell once per step, and not to infer shapes.

    In a loop Keras also calls the cell before the first step, so the layer is unrolled. A stack of
    cells is also called to make masks for dropout, which cells else make when they need them.
    Since Keras 3.0: `RNN._maybe_config_dropout_masks`.
    """
    unroll = rnn.unroll
    rnn.unroll = True
    rnn.__dict__["_maybe_config_dropout_masks"] = lambda *args: None
    try:
        yield
    finally:
        del rnn.__dict__["_maybe_config_dropout_masks"]
        rnn.unroll = unroll


def batch_moments(layer: Any, inputs: Any, mask: Any) -> tuple[Any, Any]:
    """Mean and biased variance of a batch, as the layer itself computes them.

    Since Keras 3.0: `BatchNormalization._moments`: masks, and replicas where `synchronized`.
    """
    return layer._moments(inputs, mask)


def renorm_transforms(
    layer: Any, mean: Any, variance: Any, gamma: Any, beta: Any, dtype: str
) -> tuple[Any, Any, Any, Any]:
    """Batch renormalization: `(mean, variance, gamma, beta)` with the correction r, d in the last two.

    Since Keras 3.13: `_renorm_correction_and_moments` and `_compose_transforms`.
    """
    r, d, mean, variance = layer._renorm_correction_and_moments(mean, variance)
    return (mean, variance, *layer._compose_transforms(r, d, gamma, beta, dtype))


def update_renorm_statistics(layer: Any, mean: Any, variance: Any) -> None:
    """Moves the moving and the renorm statistics of a layer toward those of a batch.

    Since Keras 3.13: `_update_renorm_statistics`.
    """
    layer._update_renorm_statistics(mean, variance)
