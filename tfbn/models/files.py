"""Loads a user's model files without running code in them."""

from pathlib import Path
from typing import Any

import keras

from tfbn.models.file_checks import check_file
from tfbn.utils.validation import InputError, fail

SUFFIXES = (".keras", ".h5")


def is_file(model: str) -> bool:
    """Whether a model is named as a file.

    Example:

    >>> is_file("mine.keras"), is_file("MobileNetV2")
    (True, False)
    """
    return str(model).endswith(SUFFIXES)


def load(path: str) -> Any:
    """The model of a file, not compiled; a file that holds code is refused, see `check_file`.

    Args:
        path: A .keras or .h5 file.

    Raises:
        InputError: No such file, or one that cannot be loaded, holds code, or unpacks to
            many times its size.

    Example:

    >>> keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(folder / "mine.keras")
    >>> load(str(folder / "mine.keras")).output_shape
    (None, 1)
    """
    if not Path(path).is_file():
        raise fail("model", "to be a file that exists", path)
    check_file(path)
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"Expected `model` to be a Keras model that can be loaded. Received: model={path!r} ({reason})"
        ) from error
