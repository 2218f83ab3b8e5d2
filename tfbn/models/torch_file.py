"""Reads PyTorch checkpoints in the format before 1.6 with NumPy; PyTorch is not needed.

Such a file is a sequence of pickles (magic number, protocol, machine, tensors by name, keys of
the storages), followed by the storages: a length in eight bytes, then the values. A pickle can
call any function. This reader allows two and refuses a file with others.
"""

import collections
import dataclasses
import os
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tfbn.utils.validation import InputError, fail

MAGIC = 0x1950A86A20F9469CFC6C
DTYPES: dict[str, np.dtype] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


@dataclasses.dataclass
class _Storage:
    """The values that tensors are views of, stored at the end of the file."""

    dtype: np.dtype
    length: int
    values: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A view of a storage; offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        """The values in C order; raises `ValueError` if the view reaches beyond its storage."""
        values = self.storage.values
        if values is None or len(self.shape) != len(self.strides):
            raise ValueError("a tensor without values")
        if min((self.offset, *self.shape, *self.strides)) < 0:
            raise ValueError("a tensor with negative sizes")
        if 0 in self.shape:
            return np.empty(self.shape, values.dtype)
        steps = zip(self.shape, self.strides, strict=True)
        if self.offset + sum((size - 1) * stride for size, stride in steps) >= len(values):
            raise ValueError("a tensor that reaches beyond its values")
        in_bytes = [stride * values.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, in_bytes, writeable=False)
        return view.copy(order="C")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    """Stands in for `torch._utils._rebuild_tensor_v2`."""
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


class _Unpickler(pickle.Unpickler):
    """Builds tensors and ordered dicts, and nothing else."""

    def __init__(self, file: BinaryIO, storages: dict[str, _Storage]):
        super().__init__(file)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in DTYPES:
            return name  # only ever an argument of `persistent_load`
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, length, *_ = pid
        if kind != "storage":
            raise pickle.UnpicklingError(f"it asks for {kind!r}")
        return self._storages.setdefault(key, _Storage(DTYPES[dtype], int(length)))


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint by name. No code in the file runs.

    Args:
        path: A file that `torch.save` wrote of a state dict before PyTorch 1.6.

    Returns:
        One array in C order for each tensor, with the shape that PyTorch gives it.

    Raises:
        InputError: Not such a file, one that asks for a function to be called, or one
            that is damaged.

    Example:

    >>> read(folder / "model.pth")
    Traceback (most recent call last):
    tfbn.utils.validation.InputError: Expected `path` to be a file that exists. Received: path='...model.pth'
    """
    path = Path(path)
    if not path.is_file():
        raise fail("path", "to be a file that exists", str(path))
    try:
        with path.open("rb") as file:
            tensors = _tensors(file)
        return {name: tensor.array() for name, tensor in tensors.items()}
    except InputError:
        raise
    except Exception as error:  # a pickle that is damaged can raise anything
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise fail(
            "path", f"to be a PyTorch checkpoint of plain tensors as before 1.6 ({reason})", str(path)
        ) from error


def _tensors(file: BinaryIO) -> dict[str, _Tensor]:
    storages: dict[str, _Storage] = {}
    magic, _, _ = (_Unpickler(file, storages).load() for _ in range(3))
    if magic != MAGIC:
        raise ValueError("another magic number")
    tensors = _Unpickler(file, storages).load()
    for key in _Unpickler(file, storages).load():
        storage = storages[key]
        if int.from_bytes(file.read(8), "little", signed=True) != storage.length:
            raise ValueError("a storage of another length")
        size = storage.length * storage.dtype.itemsize
        data = file.read(size)
        if len(data) != size:
            raise ValueError("it ends too early")
        storage.values = np.frombuffer(data, storage.dtype)
    if not isinstance(tensors, dict) or not all(isinstance(each, _Tensor) for each in tensors.values()):
        raise ValueError("something other than tensors by name")
    return tensors
