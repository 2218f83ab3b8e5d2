"""What the doctor measures of a batch: moments of its halves, and how often each class occurs."""

from collections.abc import Callable
from typing import Any

import keras

from tfbn.utils.tensors import is_ragged, is_sparse

CHANNELS, CLASSES = 16, 64  # measured at most


def _moments(x: Any, axis: int) -> list[Any]:
    """Mean and variance of the first channels, padded."""
    import tensorflow as tf

    axes = [each for each in range(len(x.shape)) if each != axis]
    return [_padded(each) for each in tf.nn.moments(x, axes)]


def _few_channels(x: Any, axis: int) -> Any:
    import tensorflow as tf

    some = tuple(slice(CHANNELS) if each == axis else slice(None) for each in range(len(x.shape)))
    return tf.cast(tf.stop_gradient(x[some]), "float32")


def _padded(values: Any) -> Any:
    import tensorflow as tf

    values = tf.cast(values, "float32")[:CHANNELS]
    return tf.pad(values, [[0, CHANNELS - tf.shape(values)[0]]])


def measured(x: Any, axis: int, moving_mean: Any, moving_variance: Any) -> Any:
    """The moments of both halves of a batch, and the moving ones: shape `(6, CHANNELS)`.

    Over all positions: a padding's edge has other moments, and what is compared with the moving
    statistics has to weigh it as they do.
    """
    import tensorflow as tf

    x = _few_channels(x, axis)
    half = tf.shape(x)[0] // 2
    parts = [*_moments(x[:half], axis), *_moments(x[half:], axis)]
    rows = tf.stack([*parts, _padded(moving_mean), _padded(moving_variance)])
    return tf.ensure_shape(rows, (6, CHANNELS))


def input_moments(x: Any) -> Any:
    """The moments of a model's input, by halves and by even and odd examples: shape `(8 * CHANNELS,)`.

    From those of each example, by the law of total variance: the images are read once.
    """
    import tensorflow as tf

    # With one more axis, since `tf.nn.moments` over none would drop every axis of size 1.
    x = _few_channels(x, len(x.shape) - 1)[:, None]
    of_examples = tf.nn.moments(x, list(range(1, len(x.shape) - 1)))
    half, parts = tf.shape(x)[0] // 2, []
    for some in (slice(None, half), slice(half, None), slice(0, None, 2), slice(1, None, 2)):
        means, variances = (each[some] for each in of_examples)
        mean, between = tf.nn.moments(means, [0])
        parts += [_padded(mean), _padded(tf.reduce_mean(variances, 0) + between)]
    return tf.reshape(tf.stack(parts), (8 * CHANNELS,))


def first_dense(data: Any) -> Any:
    """The first tensor of a structure; None if that is none with examples."""
    leaves = [leaf for leaf in keras.tree.flatten(data) if hasattr(leaf, "shape")]
    first: Any = leaves[0] if leaves else None
    unfit = first is None or is_ragged(first) or is_sparse(first) or not len(first.shape)
    return None if unfit or getattr(first.dtype, "name", str(first.dtype)) == "string" else first


def class_counts(y: Any) -> Any:
    """How often each class occurs in targets, numbers or one-hot; what is no whole number is not counted."""
    import tensorflow as tf

    labels = _class_numbers(y)
    classes = tf.one_hot(tf.cast(labels, "int32") % CLASSES, CLASSES)
    return tf.reduce_sum(tf.where((labels == tf.round(labels))[:, None], classes, 0.0), 0)


def _class_numbers(y: Any) -> Any:
    import tensorflow as tf

    y = tf.cast(y, "float32")
    if len(y.shape) == 1 or y.shape[1] == 1:
        return tf.reshape(y, [-1])
    one_hot = tf.reduce_all((y == 0) | (y == 1), 1) & (tf.reduce_sum(y, 1) == 1)
    return tf.where(one_hot, tf.cast(tf.argmax(y, 1), "float32"), 0.5)


def as_one_operation(function: Callable) -> Callable:
    """`function` as a single operation of the step that is traced.

    A branch that is not taken costs something for each of its operations, unless they stand in a
    function of their own. In eager code it costs nothing, and `function` is given back.
    """
    import tensorflow as tf

    if tf.executing_eagerly():
        return function
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})
