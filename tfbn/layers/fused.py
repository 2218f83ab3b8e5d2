"""Batch normalization through TensorFlow's fused operation.

Source: `FusedBatchNormV3` in TensorFlow's `core/kernels/fused_batch_norm_op.cc`
and `compiler/tf2xla/kernels/batch_norm_op.cc`.
"""

from typing import Any

import keras

from tfbn.layers import step_folding

# cuDNN refuses a smaller epsilon; below it, Keras's own arithmetic is used.
MIN_EPSILON = 1.001e-5
DTYPES = ("float16", "bfloat16", "float32")


def obstacle(layer: Any, inputs: Any, mask: Any = None) -> str | None:
    """The reason why this call cannot use the fused operation, or None if it can.

    Args:
        layer: A `BatchNormalization` layer that is built.
        inputs: The tensor it is called on, of shape `(batch, ..., channels)`.
        mask: The call's mask.

    Returns:
        A short reason that can end the sentence "it cannot be used: ...".
    """
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    reasons = {
        "the backend is not TensorFlow": keras.backend.backend() != "tensorflow",
        "a mask weighs the samples": mask is not None,
        "renorm corrects the statistics": getattr(layer, "renorm", False),
        "the statistics are synchronized over replicas": layer.synchronized,
        f"the inputs are {dtype}": dtype not in DTYPES,
        f"the variables are {layer.variable_dtype}": layer.variable_dtype != "float32",
        "the axis is not the last one": layer.axis not in (-1, len(inputs.shape) - 1),
        f"epsilon is below {MIN_EPSILON}": layer.epsilon < MIN_EPSILON,
        "the inputs have fewer than two axes": len(inputs.shape) < 2,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def normalize_by_batch(x: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """`y = gamma * (x - mean(x)) / sqrt(var(x) + epsilon) + beta`.

    Args:
        x: Shape `(batch, ..., channels)`, float16, bfloat16 or float32.
        gamma: Shape `(channels,)`, float32.
        beta: Shape `(channels,)`, float32.
        epsilon: Added to the variance.

    Returns:
        The outputs in x's shape and dtype.
    """
    import tensorflow as tf

    unused = tf.zeros([0])
    return _by_batch(x, gamma, beta, unused, unused, epsilon, weight=1.0)[0]


def normalize_by_batch_and_update(
    x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float, momentum: float
) -> tuple[Any, Any, Any]:
    """Like `normalize_by_batch`, and also returns the moving averages after this batch.

    The operation computes the averages itself, but from the variance times `N / (N - 1)`
    (Bessel), for N values per channel. Given `moving * N / (N - 1)`, its average divided by that
    factor is the average of the biased variances that stock Keras keeps.

    Args:
        x: As in `normalize_by_batch`, as gamma, beta and epsilon.
        mean: The moving mean, shape `(channels,)`, float32.
        variance: The moving variance, likewise.
        momentum: Below 1.

    Returns:
        `(outputs, mean, variance)`, the latter two already updated.
    """
    import tensorflow as tf

    channels = float(x.shape[-1])
    size = tf.cast(tf.size(x), "float32")
    bessel = size / tf.maximum(size - channels, channels)
    outputs, mean, variance = _by_batch(x, gamma, beta, mean, variance * bessel, epsilon, 1.0 - momentum)
    return outputs, mean, variance / bessel


def _by_batch(
    x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float, weight: float
) -> tuple[Any, Any, Any]:
    """`weight` is the weight of the batch in the averages."""
    import tensorflow as tf

    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=_as_rows(x),
        scale=gamma,
        offset=beta,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        exponential_avg_factor=weight,
        is_training=True,
    )
    return _as_shape_of(x, outputs), mean, variance


def normalize_by_moving(x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float) -> Any:
    """Normalizes by given statistics: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`."""
    import tensorflow as tf

    outputs, *_ = tf.raw_ops.FusedBatchNormV3(
        x=_as_rows(x),
        scale=gamma,
        offset=beta,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=False,
    )
    return _as_shape_of(x, outputs)


def normalize_by_held(
    x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float, fold: bool = False
) -> Any:
    """Like `normalize_by_moving`, for gamma and beta that do not train.

    The operation's own gradient also computes the gradients of gamma and beta, which doubles the
    cost. Here they are separate, so a traced step leaves out what it does not need.

    Args:
        x: As in `normalize_by_moving`, as the others.
        fold: Whether the convolution that produced `x` may compute the outputs. The gradients are
            the same: `x` keeps its own.
    """
    import tensorflow as tf

    convolution = step_folding.convolution_of(x) if fold else None

    @tf.custom_gradient
    def normalize(x: Any, gamma: Any, beta: Any) -> Any:
        def gradient(dy: Any) -> tuple[Any, Any, Any]:
            wide = tf.cast(dy, "float32")
            axes = list(range(len(x.shape) - 1))
            normalized = (tf.cast(x, "float32") - mean) * inverse
            of_gamma, of_beta = tf.reduce_sum(wide * normalized, axes), tf.reduce_sum(wide, axes)
            return tf.cast(wide * (gamma * inverse), dy.dtype), of_gamma, of_beta

        parameters = (gamma, beta, mean, variance, epsilon)
        if convolution is None:
            return normalize_by_moving(x, *parameters), gradient
        return step_folding.folded(convolution, *parameters), gradient

    # Variables must be read out here: inside, they would be inputs that the gradient has to name.
    gamma, beta, mean, variance = (tf.convert_to_tensor(value) for value in (gamma, beta, mean, variance))
    inverse = tf.math.rsqrt(variance + epsilon)
    return normalize(x, gamma, beta)


def _as_rows(x: Any) -> Any:
    """`x` with four axes, as the operation wants it; no data is moved."""
    if len(x.shape) == 4:
        return x
    import tensorflow as tf

    return tf.reshape(x, [-1, 1, 1, x.shape[-1]])


def _as_shape_of(x: Any, outputs: Any) -> Any:
    if len(x.shape) == 4:
        return outputs
    import tensorflow as tf

    outputs = tf.reshape(outputs, tf.shape(x))
    outputs.set_shape(x.shape)
    return outputs
