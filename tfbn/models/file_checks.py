"""Checks what a model file would do when it is loaded, before any of it runs.

Keras's safe mode is not the same in every version: up to 3.12 it is ignored for `.h5`, and up to
3.8 a config may name any function of any module. So the config is read as data here. A file is
refused if it holds code, names anything that is neither Keras's nor registered, or unpacks to
many times its size.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from tfbn.utils.validation import InputError, fail

PACKAGES = ("keras", "keras_hub", "tfbn")
# Trained weights hardly compress; a larger ratio, with an allowance for small files, is a bomb.
RATIO, ALLOWANCE = 20, 2**24


def check_file(path: str | Path) -> None:
    """Refuses a model file that holds code or unpacks to many times its size.

    Args:
        path: A `.keras` or `.h5` file.

    Raises:
        InputError: The file has a `Lambda` layer or serialized code; it names an object that is
            neither of Keras, KerasHub or tfbn nor registered in this process
            (`keras.saving.register_keras_serializable`); it unpacks to more than 20 times its
            size; it is not a model file.

    Example:

    >>> keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(folder / "mine.keras")
    >>> check_file(folder / "mine.keras")
    """
    path = Path(path)
    limit = RATIO * path.stat().st_size + ALLOWANCE
    try:
        config = _config_of_zip(path, limit) if zipfile.is_zipfile(path) else _config_of_hdf5(path, limit)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise fail("model", f"to be a Keras model file ({error})", str(path)) from error
    for part in _objects(config):
        _check_object(part, path)


def _config_of_zip(path: Path, limit: int) -> Any:
    with zipfile.ZipFile(path) as archive:
        _check_size(sum(entry.file_size for entry in archive.infolist()), limit, path)
        for name in archive.namelist():
            if name.endswith(".h5"):
                with h5py.File(io.BytesIO(archive.read(name)), "r") as weights:
                    _check_size(_unpacked(weights), limit, path)
        return json.loads(archive.read("config.json"))


def _config_of_hdf5(path: Path, limit: int) -> Any:
    with h5py.File(path, "r") as file:
        _check_size(_unpacked(file), limit, path)
        config = file.attrs["model_config"]
    return json.loads(config.decode() if isinstance(config, bytes) else config)


def _unpacked(file: h5py.File) -> int:
    """Bytes of all its arrays, including those with a shape but no data."""
    sizes: list[int] = []

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            sizes.append(item.nbytes)

    file.visititems(add)
    return sum(sizes)


def _check_size(size: int, limit: int, path: Path) -> None:
    if size > limit:
        what = f"to unpack to at most {limit:,} bytes, {RATIO} times its size; it would unpack to {size:,}"
        raise fail("model", what, str(path))


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    if isinstance(config, dict):
        yield config
    for value in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        yield from _objects(value)


def _check_object(part: dict[str, Any], path: Path) -> None:
    kind, module, value = part.get("class_name"), part.get("module"), part.get("value")
    marshaled = isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)
    if kind in ("Lambda", "__lambda__") or part.get("function_type") is not None or marshaled:
        raise fail("model", "to hold no code: a Lambda layer or function would run it", str(path))
    registered = part.get("registered_name") or kind
    if isinstance(registered, str) and keras.saving.get_registered_object(registered) is not None:
        return
    if kind == "function":
        name = part.get("config")
        if not (isinstance(name, str) and hasattr(keras.activations, name)):
            raise fail("model", f"to name functions that are Keras's or registered, not {name!r}", str(path))
    elif isinstance(module, str) and module.split(".")[0] not in (*PACKAGES, "builtins"):
        raise fail("model", f"to name classes that are Keras's or registered, not {module}.{kind}", str(path))
