"""One pass over whatever `fit` takes as data, batch by batch."""

import operator
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from tfbn.utils.tensors import as_array, batch_length, is_ragged, is_sparse
from tfbn.utils.validation import check_at_least, fail

DEFAULT_BATCH_SIZE = 32


class Batches:
    """The inputs of each batch of a data set, without targets and sample weights.

    Args:
        data: The model's inputs as an array (of NumPy, pandas, SciPy or any backend, ragged and
            sparse ones too), or as a list, tuple or dict of arrays if there are several; or
            batches: a `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch `DataLoader`, a
            generator or any other iterable, of elements `x`, `(x, y)` or `(x, y, sample_weight)`.
        batch_size: Of arrays, 32 by default; the last batch may be smaller. Everything else comes
            in batches already.
        steps: Take at most this many batches. Needed if the data set is infinite.

    Attributes:
        length: The number of batches if it is known, else None.
        repeatable: Whether the data can be read more than once.

    Raises:
        ValueError: `data` is none of these, or infinite without `steps`; the arrays differ in
            length; `batch_size` is given for data that comes in batches.

    Example:

    >>> [x.shape for x in Batches(np.zeros((5, 2)), batch_size=2)]
    [(2, 2), (2, 2), (1, 2)]
    """

    def __init__(self, data: Any, batch_size: int | None = None, steps: int | None = None):
        if steps is not None:
            check_at_least("steps", steps, 1)
        if batch_size is not None:
            check_at_least("batch_size", batch_size, 1)
        self._source, length = _source(data, batch_size)
        if length == np.inf and steps is None:
            raise fail("steps", "to be given, since the data set is infinite", steps)
        known = [n for n in (length, steps) if n is not None]
        self.steps = steps
        self.length = int(min(known)) if length is not None else None
        self.repeatable = not isinstance(self._source, Iterator)

    def __iter__(self) -> Iterator[Any]:
        for x, _, _ in self.elements():
            yield x

    def elements(self) -> Iterator[tuple[Any, Any, Any]]:
        """`(x, y, sample_weight)` of each batch; None for what the data set does not have."""
        for step, batch in enumerate(self._source):
            x, y, sample_weight = map(as_arrays, keras.utils.unpack_x_y_sample_weight(batch))
            yield x, y, sample_weight
            # Checked before the next batch is created: a generator is not read further than needed.
            if self.steps is not None and step + 1 >= self.steps:
                return


class _Slices:
    """Arrays, cut into batches along their first axis."""

    def __init__(self, arrays: Any, samples: int, batch_size: int):
        self.arrays, self.samples, self.batch_size = arrays, samples, batch_size

    def __iter__(self) -> Iterator[tuple[Any]]:
        for start in range(0, self.samples, self.batch_size):
            rows = slice(start, start + self.batch_size)
            yield (keras.tree.map_structure(operator.itemgetter(rows), self.arrays),)


class _Items:
    """The batches of a `PyDataset`, by index."""

    def __init__(self, data: keras.utils.PyDataset):
        self.data = data

    def __iter__(self) -> Iterator[Any]:
        number = self.data.num_batches
        step = 0
        while number is None or step < number:
            yield self.data[step]
            step += 1


def _source(data: Any, batch_size: int | None) -> tuple[Iterable[Any], float | None]:
    if is_arrays(data):
        arrays = keras.tree.map_structure(_sliceable, data)
        leaves = keras.tree.flatten(arrays)
        lengths = sorted({batch_length(leaf) for leaf in leaves})
        if len(lengths) > 1:
            raise fail("data", "to be arrays of the same length", lengths)
        batch_size = batch_size or DEFAULT_BATCH_SIZE
        number = -(-lengths[0] // batch_size)
        if any(is_ragged(leaf) or is_sparse(leaf) for leaf in leaves):
            return _sliced_by_tensorflow(arrays, batch_size), number
        return _Slices(arrays, lengths[0], batch_size), number
    if batch_size is not None:
        raise fail("batch_size", f"to be None, since a {type(data).__name__} comes in batches", batch_size)
    if isinstance(data, keras.utils.PyDataset):
        number = data.num_batches
        return _Items(data), np.inf if number is None else number
    if isinstance(data, str | bytes) or not isinstance(data, Iterable):
        raise fail("data", "to be arrays, or a tf.data.Dataset or other iterable of batches", data)
    return data, _length(data)


def one_batch(data: Any) -> Any:
    """Inputs as one batch: arrays as they are, otherwise the first batch of whatever `predict` takes.

    Example:

    >>> one_batch(iter([(np.zeros((2, 3)), np.zeros(2))])).shape
    (2, 3)
    """
    if is_arrays(data):
        return as_arrays(data)
    first = next(iter(Batches(data, steps=1)), None)
    if first is None:
        raise fail("data", "to hold at least one batch", data)
    return first


def is_arrays(data: Any) -> bool:
    """Whether `data` is an array or a nested structure of arrays, and not batches of them.

    Example:

    >>> is_arrays([np.zeros(3), np.ones(3)]), is_arrays(iter([np.zeros(3)]))
    (True, False)
    """
    leaves = keras.tree.flatten(data)
    return bool(leaves) and all(hasattr(leaf, "shape") and len(leaf.shape) > 0 for leaf in leaves)


def are_batches(data: Any) -> bool:
    """Whether `data` can be read batch by batch; arrays by themselves can, too.

    Example:

    >>> are_batches([np.zeros((2, 3))]), are_batches("images"), are_batches(3)
    (True, False, False)
    """
    return isinstance(data, Iterable | keras.utils.PyDataset) and not isinstance(data, str | bytes)


def _sliceable(array: Any) -> Any:
    """An array that can be sliced: pandas indexes by label, and SciPy's matrices cannot be indexed."""
    if hasattr(array, "tocoo"):
        return as_array(array)
    return array.to_numpy() if hasattr(array, "to_numpy") else array


def _length(data: Iterable[Any]) -> float | None:
    if hasattr(data, "cardinality"):  # a tf.data.Dataset: -1 is infinite, -2 unknown
        number = int(data.cardinality())
        return {-1: np.inf, -2: None}.get(number, number)
    try:
        return len(data)  # type: ignore[arg-type]
    except TypeError:
        return None


def as_arrays(part: Any) -> Any:
    """A nested structure with NumPy arrays as leaves; ragged and sparse tensors stay as they are.

    Example:

    >>> [x.tolist() for x in as_arrays((np.ones(2), keras.ops.zeros(1)))]
    [[1.0, 1.0], [0.0]]
    """
    return None if part is None else keras.tree.map_structure(as_array, part)


def _sliced_by_tensorflow(arrays: Any, batch_size: int) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((arrays,)).batch(batch_size)
