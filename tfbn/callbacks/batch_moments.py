"""What the doctor measures of a batch: moments of its halves, and how often each class occurs."""

from collections.abc import Callable
from typing import Any

import keras

from tfbn.utils.tensors import is_ragged, is_sparse

CHANNELS, CLASSES = 16, 64  # measured at most


def _of_examples(x: Any, axis: int) -> tuple[Any, Any]:
    """Mean and variance of the first channels of each example."""
    import tensorflow as tf

    # With one more axis, since `tf.nn.moments` over none would drop every axis of size 1.
    x = _few_channels(x, axis)[:, None]
    return tf.nn.moments(x, [each for each in range(1, len(x.shape)) if each != axis + 1])


def _of_all(of_examples: tuple[Any, Any], some: slice) -> list[Any]:
    """Mean and variance of some examples, padded: by the law of total variance, so that positions are
    read once for all parts of a batch."""
    import tensorflow as tf

    means, variances = (each[some] for each in of_examples)
    mean, between = tf.nn.moments(means, [0])
    return [_padded(mean), _padded(tf.reduce_mean(variances, 0) + between)]


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

    of_examples, half = _of_examples(x, axis), tf.shape(x)[0] // 2
    parts = [*_of_all(of_examples, slice(half)), *_of_all(of_examples, slice(half, None))]
    rows = tf.stack([*parts, _padded(moving_mean), _padded(moving_variance)])
    return tf.ensure_shape(rows, (6, CHANNELS))


def input_moments(x: Any) -> Any:
    """The moments of a model's input, by halves and by even and odd examples: shape `(8 * CHANNELS,)`."""
    import tensorflow as tf

    of_examples, half = _of_examples(x, len(x.shape) - 1), tf.shape(x)[0] // 2
    some = slice(half), slice(half, None), slice(0, None, 2), slice(1, None, 2)
    return tf.reshape(tf.stack([row for each in some for row in _of_all(of_examples, each)]), (8 * CHANNELS,))


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
