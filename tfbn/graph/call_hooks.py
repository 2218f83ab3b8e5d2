"""Observes or replaces the calls of layers, without changing the model."""

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

# (layer, inputs, training, mask) -> None
Observer = Callable[[Any, Any, "bool | None", Any], None]
# (layer, its own call, inputs, training, mask) -> outputs
Replacement = Callable[[Any, Callable, Any, "bool | None", Any], Any]


@contextlib.contextmanager
def observed(layers: Iterable[Any], observer: Observer) -> Iterator[None]:
    """While the block runs, `observer` sees every call of the given layers.

    The observer runs just before the layer does, once for each place where a shared
    layer is used. Inside a `tf.function` it sees symbolic tensors, while tracing; a
    function that was traced before the block does not call it.

    Args:
        layers: Built layers whose `call` takes `(inputs, training)`, with or without a mask.
        observer: Called with `(layer, inputs, training, mask)`; its return value is ignored.

    Example:

    >>> layer = keras.layers.BatchNormalization()
    >>> seen = []
    >>> with observed([layer], lambda layer, x, training, mask: seen.append((x.shape[0], training))):
    ...     _ = layer(np.ones((5, 2)), training=True)
    >>> seen
    [(5, True)]
    """

    def watch(layer: Any, call: Callable, inputs: Any, training: bool | None, mask: Any) -> Any:
        observer(layer, inputs, training, mask)
        # Dropout and similar layers take no mask.
        return call(inputs, training=training, **({} if mask is None else {"mask": mask}))

    with replaced(layers, watch):
        yield


@contextlib.contextmanager
def replaced(layers: Iterable[Any], replacement: Replacement) -> Iterator[None]:
    """While the block runs, `replacement` answers every call of the given layers.

    As with `observed`, only calls made (or functions traced) inside the block are replaced; a
    function traced inside the block keeps the replacement permanently. After the
    block, also after an exception, the layers are as they were.

    Args:
        layers: Built layers whose `call` takes `(inputs, training, mask)`.
        replacement: Called with `(layer, call, inputs, training, mask)`, where `call`
            is the layer's own; its return value becomes the layer's outputs.

    Example:

    >>> layer = keras.layers.BatchNormalization()
    >>> with replaced([layer], lambda layer, call, x, training, mask: call(x) + 5.0):
    ...     inside = layer(np.zeros((1, 2)))
    >>> np.array(inside).tolist(), np.array(layer(np.zeros((1, 2)))).tolist()
    ([[5.0, 5.0]], [[0.0, 0.0]])
    """
    layers = list({id(layer): layer for layer in layers}.values())
    before = [layer.__dict__.get("call") for layer in layers]
    try:
        for layer in layers:
            layer.__dict__["call"] = _answered(layer, layer.call, replacement)
        yield
    finally:
        for layer, call in zip(layers, before, strict=True):
            layer.__dict__.pop("call", None)
            if call is not None:
                layer.__dict__["call"] = call


def _answered(layer: Any, call: Callable, replacement: Replacement) -> Callable:
    # By the names of the layer's own call, whose order is `(inputs, mask, training)` in some subclasses.
    names = list(inspect.signature(call).parameters)

    def answered(*args: Any, **kwargs: Any) -> Any:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        return replacement(layer, call, given[names[0]], given.get("training"), given.get("mask"))

    # Keras looks at the signature to see whether a layer takes `training` and `mask`.
    answered.__signature__ = inspect.signature(call)  # type: ignore[attr-defined]
    return answered
