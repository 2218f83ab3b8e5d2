"""Layers that are linear in their inputs: how to scale and shift their output channels."""

from typing import Any

import keras
import numpy as np
from keras import layers

# The weight that makes the outputs, and which of its axes number the output channels.
_KERNELS: dict[type, tuple[str, tuple[int, ...]]] = {
    layers.Dense: ("kernel", (-1,)),
    layers.Conv1D: ("kernel", (-1,)),
    layers.Conv2D: ("kernel", (-1,)),
    layers.Conv3D: ("kernel", (-1,)),
    layers.Conv1DTranspose: ("kernel", (-2,)),
    layers.Conv2DTranspose: ("kernel", (-2,)),
    layers.Conv3DTranspose: ("kernel", (-2,)),
    layers.DepthwiseConv1D: ("kernel", (-2, -1)),  # channel times depth multiplier
    layers.DepthwiseConv2D: ("kernel", (-2, -1)),
    layers.SeparableConv1D: ("pointwise_kernel", (-1,)),
    layers.SeparableConv2D: ("pointwise_kernel", (-1,)),
}


def is_linear(layer: Any) -> bool:
    """Whether the layer is a Dense or a convolution of Keras (no subclass of others).

    Example:

    >>> is_linear(keras.layers.Dense(2)), is_linear(keras.layers.ReLU())
    (True, False)
    """
    return type(layer) in _KERNELS


def obstacle(layer: Any) -> str | None:
    """Why the output channels cannot be scaled and shifted through the weights, or None.

    Args:
        layer: A layer for which `is_linear`.

    Returns:
        A short reason that can end the sentence "it stays, since ...".

    Example:

    >>> obstacle(keras.layers.Dense(2, activation="relu"))
    'the layer before it has an activation of its own'
    """
    if layer.activation is not keras.activations.linear:
        return "the layer before it has an activation of its own"
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "lora_enabled", False):
        return "the layer before it is quantized or has a LoRA"
    return None


def channel_axis(layer: Any, rank: int) -> int:
    """The axis of the output channels, counted from 0, of outputs with `rank` axes.

    Example:

    >>> channel_axis(keras.layers.Conv2D(3, 1, data_format="channels_first"), 4)
    1
    """
    return 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1


def obstacle_before(layer: Any) -> str | None:
    """Why the input channels cannot be scaled and shifted through the weights, or None.

    Where a layer pads, the zeros around its input are neither scaled nor shifted; a transposed
    convolution's borders sum over fewer positions than its middle.

    Args:
        layer: A layer for which `is_linear`.

    Example:

    >>> obstacle_before(keras.layers.Conv2D(2, 3, padding="same"))
    'the layer after it pads its input'
    """
    if "Transpose" in type(layer).__name__:
        return "the layer after it is a transposed convolution"
    if getattr(layer, "padding", "valid") != "valid" and set(layer.kernel_size) != {1}:
        return "the layer after it pads its input"
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "lora_enabled", False):
        return "the layer after it is quantized or has a LoRA"
    return None


def weights_of(layer: Any) -> dict[str, np.ndarray]:
    """All kernels and the bias in float64, by the names of the layer's attributes; a bias of 0 if none.

    Example:

    >>> layer = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)
    >>> layer.build((None, 2))
    >>> {name: value.tolist() for name, value in weights_of(layer).items()}
    {'kernel': [[1.0], [1.0]], 'bias': [0.0]}
    """
    name, axes = _KERNELS[type(layer)]
    kernel = float64(getattr(layer, name))
    channels = np.prod([kernel.shape[axis] for axis in axes], dtype=int)
    bias = float64(layer.bias) if layer.use_bias else np.zeros(channels)
    weights = {name: kernel, "bias": bias}
    if name == "pointwise_kernel":
        weights["depthwise_kernel"] = float64(layer.depthwise_kernel)
    return weights


def preceded(layer: Any, weights: dict[str, np.ndarray], scale: np.ndarray, shift: np.ndarray) -> dict:
    """The weights with which the layer maps x to its former output for `scale * x + shift`, by channel.

    `kernel * scale` by input channel, and the sum of `kernel * shift` added to the bias.

    Args:
        layer: A built layer for which `is_linear` and without an `obstacle_before`.
        weights: As `weights_of` gives them.
        scale: Shape `(input channels,)`.
        shift: Shape `(input channels,)`.

    Example:

    >>> layer = keras.layers.Dense(1, kernel_initializer="ones")
    >>> layer.build((None, 2))
    >>> new = preceded(layer, weights_of(layer), np.array([3.0, 4.0]), np.array([1.0, 0.0]))
    >>> {name: value.tolist() for name, value in new.items()}
    {'kernel': [[3.0], [4.0]], 'bias': [1.0]}
    """
    name, _ = _KERNELS[type(layer)]
    if name == "pointwise_kernel" or "Depthwise" in type(layer).__name__:
        first = "depthwise_kernel" if name == "pointwise_kernel" else name
        depthwise = weights[first]
        by_channel = (depthwise * shift[:, None]).sum(tuple(range(depthwise.ndim - 2))).reshape(-1)
        new = {**weights, first: depthwise * scale[:, None]}
        pointwise = weights[name].reshape(-1, weights[name].shape[-1])
        added = by_channel @ pointwise if name == "pointwise_kernel" else by_channel
    else:
        kernel = weights[name]
        inputs, outputs = kernel.shape[-2:]
        group = np.arange(outputs) // (outputs // (len(scale) // inputs))
        channel = group * inputs + np.arange(inputs)[:, None]  # (inputs of a group, outputs)
        new = {**weights, name: kernel * scale[channel]}
        added = (kernel * shift[channel]).sum(tuple(range(kernel.ndim - 1)))
    return {**new, "bias": weights["bias"] + added}


def scaled(layer: Any, weights: dict[str, np.ndarray], scale: np.ndarray, shift: np.ndarray) -> dict:
    """The weights with which the layer gives `scale * y + shift` instead of `y`, by channel.

    `kernel * scale` and `bias * scale + shift`, in float64.

    Args:
        layer: A built layer for which `is_linear`, with or without a bias.
        weights: As `weights_of` gives them.
        scale: Shape `(channels,)`.
        shift: Shape `(channels,)`.

    Returns:
        All kernels and the bias by the names of the layer's attributes.

    Example:

    >>> layer = keras.layers.Dense(1, kernel_initializer="ones")
    >>> layer.build((None, 2))
    >>> new = scaled(layer, weights_of(layer), np.array([3.0]), np.array([1.0]))
    >>> {name: value.tolist() for name, value in new.items()}
    {'kernel': [[3.0], [3.0]], 'bias': [1.0]}
    """
    name, axes = _KERNELS[type(layer)]
    kernel = weights[name]
    shape = [size if axis - kernel.ndim in axes else 1 for axis, size in enumerate(kernel.shape)]
    return {**weights, name: kernel * scale.reshape(shape), "bias": weights["bias"] * scale + shift}


def float64(variable: Any) -> np.ndarray:
    """A variable's value as a float64 array, also from bfloat16."""
    if keras.backend.standardize_dtype(variable.dtype) == "bfloat16":
        variable = keras.ops.cast(variable, "float32")
    return np.array(keras.ops.convert_to_numpy(variable), np.float64)
