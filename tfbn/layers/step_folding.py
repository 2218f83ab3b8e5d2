"""Held BatchNormalization inside a traced step, folded into the convolution that it normalizes.

Where the moving statistics normalize, do not update, and gamma and beta do not train,

    gamma * (conv(x, W) - mean) / sqrt(variance + epsilon) + beta = conv(x, a * W) + (beta - a * mean),
    a = gamma / sqrt(variance + epsilon),

so a pass over the kernel replaces one over the outputs, and TensorFlow fuses the addition with the
convolution. The variables are read in each step; nothing is treated as a constant.
"""

from typing import Any

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
# Values of a kernel over those of one example's outputs. With a larger kernel, multiplying it takes longer
# than normalizing the outputs of a usual batch.
KERNEL_TO_OUTPUTS = 16


def folded(convolution: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float) -> Any:
    """The normalized outputs of a convolution, computed by the convolution itself.

    Args:
        convolution: The operation, see `convolution_of`.
        gamma: Shape `(channels,)`, float32.
        beta: Likewise.
        mean: The moving mean.
        variance: The moving variance.
        epsilon: Added to the variance.
    """
    import tensorflow as tf

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


def convolution_of(x: Any) -> Any | None:
    """The convolution that produced `x` in the graph being traced, if folding into it pays; else None."""
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
