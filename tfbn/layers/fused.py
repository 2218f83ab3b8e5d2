"""Batch normalization through TensorFlow's fused operation.

Source: `FusedBatchNormV3` in TensorFlow's `core/kernels/fused_batch_norm_op.cc`
and `compiler/tf2xla/kernels/batch_norm_op.cc`.
"""

from typing import Any

import keras

# cuDNN refuses a smaller epsilon; below it Keras's own arithmetic serves.
MIN_EPSILON = 1.001e-5
DTYPES = ("float16", "bfloat16", "float32")


def obstacle(layer: Any, inputs: Any, mask: Any = None) -> str | None:
    """Why the fused operation cannot serve this call, or None if it can.

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


def normalize_by_batch(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Normalises by the batch; returns the outputs and the batch's statistics.

    `y = gamma * (x - mean(x)) / sqrt(var(x) + epsilon) + beta`

    The operation reports the variance times `N / (N - 1)` (Bessel); that factor is
    undone, so the variance returned is the biased one that stock Keras stores.

    Args:
        x: Shape `(batch, ..., channels)`, float16, bfloat16 or float32.
        gamma: Shape `(channels,)`, float32.
        beta: Shape `(channels,)`, float32.
        epsilon: Added to the variance.

    Returns:
        `(outputs, mean, variance)`: outputs in x's shape and dtype, mean and biased
        variance of shape `(channels,)` in float32.
    """
    import tensorflow as tf

    flat = _as_rows(x)
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=flat,
        scale=gamma,
        offset=beta,
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=epsilon,
        exponential_avg_factor=1.0,
        is_training=True,
    )
    rows = tf.cast(tf.shape(flat)[0] * tf.shape(flat)[1] * tf.shape(flat)[2], variance.dtype)
    variance = variance * (tf.maximum(rows - 1.0, 1.0) / tf.maximum(rows, 1.0))
    return _as_shape_of(x, outputs), mean, variance


def normalize_by_moving(x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float) -> Any:
    """Normalises by given statistics: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`."""
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
