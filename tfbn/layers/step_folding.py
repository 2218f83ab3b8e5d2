"""Held BatchNormalization inside a traced step, folded into the convolution that it normalizes.

Where the moving statistics normalize, do not update, and gamma and beta do not train,

    gamma * (conv(x, W) - mean) / sqrt(variance + epsilon) + beta = conv(x, a * W) + (beta - a * mean),
    a = gamma / sqrt(variance + epsilon),

so a pass over the kernel takes the place of one over the outputs, forward and backward, and TensorFlow
fuses what is added with the convolution. The variables are read in each step, nothing is constant.
"""

from typing import Any

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
# A kernel of at most so many values for each of an example's outputs: batches of this size gain.
KERNEL_TO_OUTPUTS = 16


def fold_into_maker(x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float) -> Any | None:
    """The normalized outputs of the convolution that made `x`, computed by it alone.

    Args:
        x: Shape `(batch, height, width, channels)`.
        gamma: Shape `(channels,)`, float32.
        beta: Likewise.
        mean: The moving mean.
        variance: The moving variance.
        epsilon: Added to the variance.

    Returns:
        The outputs; None where no convolution of the graph that is being traced made `x`, or its
        kernel is so large that folding takes longer than normalizing.
    """
    import tensorflow as tf

    convolution = _maker(x)
    if convolution is None:
        return None
    images, kernel = convolution.inputs
    weight = gamma * tf.math.rsqrt(variance + epsilon)
    of_kernel = weight
    if convolution.type == "DepthwiseConv2dNative":  # its kernel ends in channels and multipliers
        of_kernel = tf.reshape(weight, kernel.shape[-2:])
    names = ("strides", "padding", "explicit_paddings", "data_format", "dilations")
    attributes = {name: convolution.get_attr(name) for name in names}
    attributes["padding"] = attributes["padding"].decode()
    attributes["data_format"] = attributes["data_format"].decode()
    run = getattr(tf.raw_ops, convolution.type)
    outputs = run(input=images, filter=kernel * of_kernel, **attributes)
    return tf.nn.bias_add(outputs, beta - mean * weight)


def _maker(x: Any) -> Any | None:
    """The convolution that made `x`, if it can be folded into."""
    import tensorflow as tf

    # An eager tensor, also one that a graph takes in, has no graph.
    if getattr(x, "graph", None) is not tf.compat.v1.get_default_graph():
        return None
    operation, outputs = x.op, x.shape[1:].num_elements()
    if operation.type not in CONVOLUTIONS or x.dtype != tf.float32 or outputs is None:
        return None
    if operation.get_attr("data_format") != b"NHWC":
        return None
    kernel = operation.inputs[1].shape.num_elements()
    return operation if kernel is not None and kernel <= KERNEL_TO_OUTPUTS * outputs else None
