"""One interface to NumPy arrays, tensors of any backend, and ragged and sparse tensors of TensorFlow.

The length of a batch, whether it contains NaN, its shape as text.
"""

from typing import Any

import keras
import numpy as np


def is_ragged(x: Any) -> bool:
    """Whether it is a `tf.RaggedTensor`.

    Example:

    >>> import tensorflow as tf
    >>> is_ragged(tf.ragged.constant([[1, 2], [3]])), is_ragged(np.zeros(2))
    (True, False)
    """
    return type(x).__name__ == "RaggedTensor" and type(x).__module__.startswith("tensorflow.")


def is_sparse(x: Any) -> bool:
    """Whether it is a `tf.SparseTensor`.

    Example:

    >>> import tensorflow as tf
    >>> is_sparse(tf.sparse.from_dense([[1, 0]])), is_sparse(np.zeros(2))
    (True, False)
    """
    return type(x).__name__ == "SparseTensor" and type(x).__module__.startswith("tensorflow.")


def batch_length(x: Any) -> int:
    """The number of examples in a batch.

    Example:

    >>> batch_length(np.zeros((3, 2)))
    3
    """
    if is_ragged(x):
        return int(x.nrows())
    return int(x.shape[0])


def numbers_of(variable: Any) -> np.ndarray:
    """A copy of a Keras variable's numbers.

    On TensorFlow, NumPy's own way to them takes several operations, ten times as long.

    Example:

    >>> numbers_of(keras.Variable([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    value = variable.value
    if keras.backend.backend() == "tensorflow" and hasattr(value, "read_value"):
        return value.value().numpy()
    return np.array(keras.ops.convert_to_numpy(value))


def values_of(x: Any) -> np.ndarray:
    """The numbers that are there: all of an array, what a ragged or a sparse tensor stores.

    Example:

    >>> import tensorflow as tf
    >>> values_of(tf.ragged.constant([[1, 2], [3]])).tolist()
    [1, 2, 3]
    """
    if is_ragged(x):
        x = x.flat_values
    elif is_sparse(x):
        x = x.values
    return np.asarray(x)


def as_array(x: Any) -> Any:
    """A NumPy array of what `predict` takes, or a ragged or sparse tensor as it is.

    SciPy's sparse matrices become a `tf.SparseTensor`, as in Keras; on other backends an array.

    Example:

    >>> import pandas as pd
    >>> as_array(pd.DataFrame({"a": [1, 2]})).tolist()
    [[1], [2]]
    """
    if is_ragged(x) or is_sparse(x):
        return x
    if hasattr(x, "tocoo"):
        return _from_scipy(x)
    return keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)


def _from_scipy(matrix: Any) -> Any:
    if keras.backend.backend() != "tensorflow":
        return matrix.toarray()
    import tensorflow as tf

    parts = matrix.tocoo()
    indices = np.stack([parts.row, parts.col], -1).astype(np.int64)
    return tf.sparse.reorder(tf.SparseTensor(indices, parts.data, parts.shape))
