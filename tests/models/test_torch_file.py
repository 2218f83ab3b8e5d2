"""Checkpoints of PyTorch read without PyTorch: views, and files that are bad or mean harm."""

import collections
import pickle
import struct

import numpy as np
import pytest

from tfbn.models import torch_file
from tfbn.utils.validation import InputError


class Storage:
    """What the pickles below refer to by persistent id."""

    def __init__(self, values, kind="FloatStorage", key="0"):
        self.values, self.kind, self.key = np.asarray(values, torch_file.DTYPES.get(kind)), kind, key


class Global:
    """Pickles as a function by its module and name, called with arguments."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class Writer(pickle._Pickler):
    """Writes what PyTorch's pickles hold, without PyTorch."""

    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            return ("storage", Global("torch", obj.kind), obj.key, "cpu", len(obj.values), None)
        return None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
            if obj.arguments:
                super().save(obj.arguments)
                self.write(pickle.REDUCE)
            return None
        return super().save(obj, save_persistent_id)


def tensor(storage, offset, shape, strides):
    return Global(
        "torch._utils",
        "_rebuild_tensor_v2",
        storage,
        offset,
        shape,
        strides,
        False,
        Global("collections", "OrderedDict"),
    )


def write(path, state, storages, magic=torch_file.MAGIC, lengths=None):
    with path.open("wb") as file:
        for part in (magic, 1001, {"little_endian": True}, state, [s.key for s in storages]):
            Writer(file, protocol=2).dump(part)
        for i, storage in enumerate(storages):
            file.write(struct.pack("<q", (lengths or {}).get(i, len(storage.values))))
            file.write(storage.values.tobytes())
    return path


def test_views_have_their_shape_offset_and_strides(tmp_path):
    floats = Storage(np.arange(24) / 7)
    longs = Storage([5], "LongStorage", "1")
    state = collections.OrderedDict(
        permuted=tensor(floats, 0, (4, 3, 2), (1, 4, 12)),
        part=tensor(floats, 3, (2, 2), (10, 1)),
        scalar=tensor(longs, 0, (), ()),
        empty=tensor(floats, 0, (0, 3), (3, 1)),
    )
    found = torch_file.read(write(tmp_path / "x.pth", state, [floats, longs]))
    np.testing.assert_array_equal(found["permuted"], floats.values.reshape(2, 3, 4).transpose(2, 1, 0))
    np.testing.assert_array_equal(found["part"], floats.values[[[3, 4], [13, 14]]])
    assert found["part"].dtype == np.float32
    assert (found["scalar"].shape, found["scalar"].item(), found["scalar"].dtype) == ((), 5, np.int64)
    assert found["empty"].shape == (0, 3)
    assert all(each.flags.c_contiguous for each in found.values())


@pytest.mark.parametrize(
    "call", [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("numpy", "array")]
)
@pytest.mark.parametrize("where", ["tensors", "a tensor's argument"])
def test_no_other_function_is_called(call, where, tmp_path):
    floats, mark = Storage([1.0]), tmp_path / "ran"
    evil = Global(*call, f"touch {mark}")
    state = {"w": tensor(evil, 0, (1,), (1,))} if where != "tensors" else evil
    path = write(tmp_path / "x.pth", state, [floats])
    with pytest.raises(InputError, match=rf"it asks for {call[0]}\.{call[1]}"):
        torch_file.read(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((3,), (1,), 2),
        ((2, 2), (3, 1), 0),
        ((2,), (-1,), 1),
        ((1,), (1,), -1),
        ((2,), (1, 1), 0),
        ((5,), (1,), 0),
    ],
)
def test_a_view_beyond_its_values_is_refused(shape, strides, offset, tmp_path):
    floats = Storage([1.0, 2.0, 3.0, 4.0])
    path = write(tmp_path / "x.pth", {"w": tensor(floats, offset, shape, strides)}, [floats])
    with pytest.raises(InputError, match="plain tensors"):
        torch_file.read(path)


def test_damaged_files_are_refused(tmp_path):
    floats = Storage([1.0, 2.0])
    state = {"w": tensor(floats, 0, (2,), (1,))}
    whole = write(tmp_path / "x.pth", state, [floats])
    assert torch_file.read(whole)["w"].tolist() == [1.0, 2.0]
    data = whole.read_bytes()
    bad = [data[:-1], data[: len(data) // 2], b"", b"PK\x03\x04" + data, bytes(50)]
    for i, content in enumerate(bad):
        path = tmp_path / f"{i}.pth"
        path.write_bytes(content)
        with pytest.raises(InputError, match="Expected `path` to be a PyTorch checkpoint"):
            torch_file.read(path)
    for i, arguments in enumerate(({"magic": 7}, {"lengths": {0: 3}})):
        path = write(tmp_path / f"more{i}.pth", state, [floats], **arguments)
        with pytest.raises(InputError, match=r"another magic number|another length"):
            torch_file.read(path)
    with pytest.raises(InputError, match="something other than tensors by name"):
        torch_file.read(write(tmp_path / "list.pth", [1, 2], []))
