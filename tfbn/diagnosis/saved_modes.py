"""What the BatchNormalization layers of a saved model were set to do, read from its file."""

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfbn.layers.modes import Mode, resolve
from tfbn.utils.validation import fail


def saved_modes(file: str | os.PathLike) -> dict[str, Mode]:
    """What each layer does in `fit`, by its path, without loading the model.

    Args:
        file: A model that Keras saved, `.keras`.

    Raises:
        InputError: It is no such file, or no BatchNormalization is in it.

    Example:

    >>> norm = tfbn.BatchNormalization(training=False, name="bn")
    >>> keras.Sequential([keras.Input((2,)), norm]).save(folder / "frozen.keras")
    >>> {path: str(mode) for path, mode in saved_modes(folder / "frozen.keras").items()}
    {'bn': 'moving statistics, held, gamma and beta train'}
    """
    try:
        with zipfile.ZipFile(Path(file)) as archive:
            config = json.loads(archive.read("config.json"))
    except (OSError, TypeError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise fail("saved", "to be a file that Keras saved, .keras", file) from error
    found = dict(_modes(config, ()))
    if not found:
        raise fail("saved", "to be a model with BatchNormalization", file)
    return found


def _modes(node: Any, inside: tuple[str, ...]) -> Iterator[tuple[str, Mode]]:
    config = node.get("config") if isinstance(node, dict) else None
    if isinstance(config, dict) and "class_name" in node:
        here = (*inside, config["name"]) if isinstance(config.get("name"), str) else inside
        if node["class_name"].endswith("BatchNormalization"):
            flags = config.get("training"), config.get("update_statistics"), config.get("trainable", True)
            yield "/".join(here[1:]), resolve(*flags)
        yield from _modes(config, here)
    elif isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from _modes(value, inside)
