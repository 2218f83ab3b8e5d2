"""Running a model whose BatchNormalization layers normalize by other statistics than their own."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from tfbn import layers
from tfbn.graph.call_hooks import replaced
from tfbn.graph.traversal import NamedLayer, batch_normalizations, named_layers
from tfbn.utils.tensors import is_ragged
from tfbn.utils.validation import fail

# Layers whose arithmetic is known: y = gamma * (x - mean) / sqrt(variance + epsilon) + beta.
_KNOWN_CALLS = (keras.layers.BatchNormalization.call, layers.BatchNormalization.call)


def replaceable(model: Any) -> tuple[list[NamedLayer], list[NamedLayer]]:
    """The BatchNormalization layers whose statistics can be replaced, and the others.

    The others are subclasses with a `call` of their own: what they compute is not known here,
    so they run as they are.

    Args:
        model: Any built Keras model or layer.

    Returns:
        `(named_layers, others)`.

    Raises:
        ValueError: There is no layer of the first kind, or one of them is not built.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="bn")])
    >>> found, others = replaceable(model)
    >>> [named.path for named in found], others
    (['bn'], [])
    """
    found: list[NamedLayer] = []
    others: list[NamedLayer] = []
    for named in batch_normalizations(model):
        (found if type(named.layer).call in _KNOWN_CALLS else others).append(named)
    if not found:
        what = "to contain a BatchNormalization layer, Keras's or tfbn's"
        if not getattr(model, "built", True):
            what += "; this one is not built, call it on a batch first"
        raise fail("model", what, model.name)
    unbuilt = [named.path for named in found if not named.layer.built]
    if unbuilt:
        raise fail("model", f"to be built: call it on a batch first, since {unbuilt} are not", model.name)
    return found, others


def moments(layer: Any, inputs: Any, mask: Any = None) -> tuple[Any, Any, Any]:
    """Count, mean and biased variance of a layer's inputs over all positions, by channel.

    Args:
        layer: A built BatchNormalization layer: its `axis` and `synchronized` are used.
        inputs: Shape `(batch, ..., channels)`, or with the channels at the layer's axis.
        mask: Shape `(batch, ...)` without the channels; where it is False, the
            position does not count. Of ragged inputs, the positions that exist count.

    Returns:
        `(count, mean, variance)`: the number of positions N*H*W that count, an int32
        scalar, or one for each channel where a mask runs along the channels' axis (`axis=1` after
        an embedding); mean and variance of shape `(channels,)`, float32 or wider.

    Example:

    >>> layer = keras.layers.BatchNormalization()
    >>> layer.build((None, 2, 1))
    >>> x, mask = np.array([[[1.0], [3.0]], [[5.0], [99.0]]]), np.array([[True, True], [True, False]])
    >>> [np.round(value, 2).tolist() for value in moments(layer, x, mask)]
    [3, [3.0], [2.67]]
    """
    x = _widened(_positions(layer, inputs))
    axes = [axis for axis in range(len(x.shape)) if axis != layer.axis % len(x.shape)]
    if mask is None:
        mean, variance = ops.moments(x, axes=axes, synchronized=layer.synchronized)
        shape = ops.shape(x)
        count = ops.prod(ops.convert_to_tensor([shape[axis] for axis in axes], dtype="int32"))
        return count, mean, variance
    counts = ops.broadcast_to(ops.expand_dims(ops.cast(mask, "bool"), -1), ops.shape(x))
    count = ops.sum(ops.cast(counts, "int32"), axes, keepdims=True)
    divisor = ops.cast(ops.maximum(count, 1), x.dtype)
    mean = ops.sum(ops.where(counts, x, 0.0), axes, keepdims=True) / divisor
    variance = ops.sum(ops.where(counts, ops.square(x - mean), 0.0), axes, keepdims=True) / divisor
    count, mean, variance = (ops.reshape(value, (-1,)) for value in (count, mean, variance))
    # The last axis has no mask, so all channels there have one count.
    return (count[0] if axes[-1] < len(x.shape) - 1 else count), mean, variance


def normalize(layer: Any, inputs: Any, mean: Any, variance: Any) -> Any:
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta`, as the layer would compute it.

    Args:
        layer: A built BatchNormalization layer, with or without gamma and beta.
        inputs: What it is called on.
        mean: Shape `(channels,)`.
        variance: Shape `(channels,)`.

    Returns:
        The outputs, in the layer's compute dtype.

    Example:

    >>> layer = keras.layers.BatchNormalization(epsilon=0.0)
    >>> layer.build((None, 1))
    >>> np.array(normalize(layer, np.array([[3.0]], "float32"), np.array([1.0]), np.array([4.0]))).tolist()
    [[1.0]]
    """
    if is_ragged(inputs):
        return inputs.with_flat_values(normalize(layer, _positions(layer, inputs), mean, variance))
    x = _widened(inputs)
    gamma = ops.cast(layer.gamma, x.dtype) if layer.scale else None
    beta = ops.cast(layer.beta, x.dtype) if layer.center else None
    by = ops.cast(mean, x.dtype), ops.cast(variance, x.dtype)
    outputs = ops.batch_normalization(x, *by, layer.axis, beta, gamma, layer.epsilon)
    return ops.cast(outputs, layer.compute_dtype)


@contextlib.contextmanager
def batch_statistics(model: Any) -> Iterator[None]:
    """While the block runs, inference calls normalize by the batch, and nothing updates.

    Inference calls are `predict`, `evaluate` and `model(x)`; dropout and everything else stay
    in inference mode, and training calls are unchanged. The difference between a metric
    inside and outside the block shows how far what the layers were trained with is from what
    they will be used with.

    Every BatchNormalization layer takes part, regardless of its flags and `trainable`; a renorm
    layer uses the plain batch statistics. Subclasses with a `call` of their own run as they are.
    The functions that `predict` and `evaluate` of this model, and of models inside it, have
    traced are dropped on entry and on exit.

    Not reached: a `tf.function` of your own that was traced before the block, and
    `predict` of a model that *contains* this one and ran before (pass that model
    instead). A `tf.function` of your own traced inside keeps the batch statistics.

    A model that is saved or cloned inside the block does not keep this, and a warning says so. To
    save batch statistics in inference, convert the model and set
    `batch_statistics_in_inference=True` on its layers.

    Args:
        model: Any built Keras model or layer.

    Raises:
        ValueError: There is no BatchNormalization layer, or one is not built.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
    >>> x = np.array([[2.0], [4.0]], "float32")
    >>> with batch_statistics(model):
    ...     model.predict(x, verbose=0).round(1).ravel().tolist()
    [-1.0, 1.0]
    >>> model.predict(x, verbose=0).round(1).ravel().tolist()
    [2.0, 4.0]
    """
    found, _ = replaceable(model)
    models = [
        m for m in (model, *(named.layer for named in named_layers(model))) if isinstance(m, keras.Model)
    ]
    try:
        _drop_inference_functions(models)
        norms = [named.layer for named in found]
        with replaced(norms, _by_batch), _warning_of_saving(norms):
            yield
    finally:
        _drop_inference_functions(models)


def _by_batch(layer: Any, call: Callable, inputs: Any, training: bool | None, mask: Any) -> Any:
    if training:
        return call(inputs, training=training, mask=mask)
    _, mean, variance = moments(layer, inputs, mask)
    return normalize(layer, inputs, mean, variance)


@contextlib.contextmanager
def _warning_of_saving(norms: list[Any]) -> Iterator[None]:
    """While the block runs, the first save or clone of one of the layers gives a warning."""
    said: list[bool] = []

    def warning(method: Callable) -> Callable:
        def method_and_warning(*args: Any, **kwargs: Any) -> Any:
            if not said:
                said.append(True)
                warnings.warn(
                    "A model that is saved or cloned inside tfbn.batch_statistics normalizes by the moving "
                    "statistics when it is loaded. To keep the batch's: tfbn.convert(model), then set "
                    "batch_statistics_in_inference=True on its layers.",
                    stacklevel=2,
                )
            return method(*args, **kwargs)

        return method_and_warning

    names = ("get_config", "save_own_variables")
    try:
        for layer in norms:
            layer.__dict__.update({name: warning(getattr(layer, name)) for name in names})
        yield
    finally:
        for layer in norms:
            for name in names:
                layer.__dict__.pop(name, None)


def _drop_inference_functions(models: list[keras.Model]) -> None:
    for model in models:
        model.test_function = None
        model.predict_function = None


def _positions(layer: Any, inputs: Any) -> Any:
    """The positions that a ragged tensor has: shape `(positions, ..., channels)`."""
    if not is_ragged(inputs):
        return inputs
    rank = len(inputs.shape)
    if layer.axis % rank != rank - 1:
        raise fail("axis", "to be -1, since the inputs are ragged", layer.axis)
    return inputs.flat_values


def _widened(inputs: Any) -> Any:
    inputs = ops.convert_to_tensor(inputs)
    return ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
