"""Differences between the supported versions of Keras, tested on the installed one.

Nothing here reads a version number: each function tries what Keras does, so that it is right for
later releases too.
"""

import functools

import keras

from tfbn.graph.symbolic_calls import received


@functools.cache
def call_site_training_is_obeyed() -> bool:
    """Whether a `training=` at a call site of a functional model holds in `fit`.

    `layer(x, training=False)` in a graph: up to Keras 3.15 `fit` overrides it with
    True, from 3.16 on it is obeyed.

    Example:

    >>> call_site_training_is_obeyed() in (True, False)
    True
    """
    return _at_and_after_a_call_site()[0] is False


@functools.cache
def call_site_training_leaks() -> bool:
    """Whether a `training=False` at a call site also reaches the layers called later.

    It does in Keras 3.16: a Dropout or BatchNormalization in the head is then in
    inference mode during `fit`.

    Example:

    >>> call_site_training_leaks() in (True, False)
    True
    """
    return _at_and_after_a_call_site()[1] is False


@functools.cache
def has_renorm() -> bool:
    """Whether the stock layer has batch renormalization, which it does since Keras 3.13.

    Example:

    >>> has_renorm() in (True, False)
    True
    """
    return hasattr(keras.layers.BatchNormalization(), "renorm")


@functools.cache
def _at_and_after_a_call_site() -> tuple[bool | None, bool | None]:
    inputs = keras.Input((2,))
    here, later = keras.layers.BatchNormalization(), keras.layers.BatchNormalization()
    model = keras.Model(inputs, later(here(inputs, training=False)))
    found = received(model, [here, later], training=True)
    return found[id(here)][0].training, found[id(later)][0].training
