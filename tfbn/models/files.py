"""Model files of a user, loaded without running code of theirs."""

import functools
from pathlib import Path
from typing import Any

import keras

from tfbn.utils.validation import InputError, fail

SUFFIXES = (".keras", ".h5")
# From this version on Keras refuses a Lambda layer's code in an .h5 file too.
_SAFE_H5 = (3, 13)


def is_file(model: str) -> bool:
    """Whether a model is named as a file.

    Example:

    >>> is_file("mine.keras"), is_file("MobileNetV2")
    (True, False)
    """
    return str(model).endswith(SUFFIXES)


@functools.cache
def _heeds_safe_mode_in_h5() -> bool:
    return tuple(int(part) for part in keras.__version__.split(".")[:2]) >= _SAFE_H5


def load(path: str) -> Any:
    """The model of a file, not compiled; Keras's safe mode is on.

    Args:
        path: A .keras or .h5 file.

    Raises:
        InputError: No such file, or one that cannot be loaded, or an .h5 file where this
            Keras would run code in it.

    Example:

    >>> keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(folder / "mine.keras")
    >>> load(str(folder / "mine.keras")).output_shape
    (None, 1)
    """
    if not Path(path).is_file():
        raise fail("model", "to be a file that exists", path)
    if path.endswith(".h5") and not _heeds_safe_mode_in_h5():
        expected = f"to be a .keras file, since Keras {keras.__version__} would run code in an .h5 file"
        raise fail("model", expected, path)
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"Expected `model` to be a Keras model that can be loaded. Received: model={path!r} ({reason})"
        ) from error
