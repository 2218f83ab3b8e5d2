"""Loads the network and the images of a command."""

from pathlib import Path
from typing import Any

import keras

from tfbn import models
from tfbn.datasets.pictures import Pictures, pictures
from tfbn.models import files
from tfbn.models.pixel_range import PixelRange, given_or_found
from tfbn.utils.validation import fail

_SIZE_OF_A_NAME = 96


def network(file: str, flags: Any, include_top: bool) -> keras.Model:
    """Loads a model from a file or from keras.applications.

    Args:
        file: A path, or a name.
        flags: With `weights` and `image_size`.
        include_top: Whether a network by name has its classification head, for ImageNet.

    Raises:
        InputError: There is no such model, or it cannot be loaded.
    """
    if files.is_file(file):
        return files.load(file)
    if "/" in file or "." in Path(file).name:
        raise fail("model", f"to end in {' or '.join(files.SUFFIXES)}, or to be a name", file)
    size = flags.image_size or _SIZE_OF_A_NAME
    weights = None if flags.weights == "none" else flags.weights
    whole = include_top and not flags.image_size
    return models.pretrained(
        file,
        weights=weights,
        include_top=whole,
        pooling=None if whole else "avg",
        input_shape=None if whole else (size, size, 3),
        trainable=True,
    )


def images(file: str, model: Any, flags: Any) -> Pictures:
    """Loads the images of `--data_dir` as the network expects them.

    Raises:
        InputError: The images cannot be read, or the pixel range of the network is unknown.
    """
    return pictures(
        flags.data_dir,
        _shape(model, flags),
        change=_pixels(file, model, flags.pixels),
        most=flags.most_images,
        seed=flags.seed,
        skip_unreadable=flags.skip_unreadable,
    )


def _pixels(file: str, model: Any, pixels: str) -> PixelRange:
    if files.is_file(file) or pixels != "auto":
        return given_or_found(pixels, model, file)
    return PixelRange("byte", f"as preprocess_input of {file} takes it", models.preprocess_input(file))


def _shape(model: Any, flags: Any) -> tuple[int, int, int]:
    shape: tuple = getattr(model, "input_shape", ())
    if len(shape) != 4:
        raise fail("model", "to take images, (batch, height, width, channels)", shape)
    _, height, width, channels = shape
    if height != width:
        raise fail("model", "to take square images", f"{height} x {width}")
    if not height and not flags.image_size:
        raise fail("image_size", "to be given, since the network takes any size", flags.image_size)
    if height and flags.image_size not in (0, height):
        raise fail("image_size", f"to be that of the network, {height}", flags.image_size)
    return height or flags.image_size, width or flags.image_size, channels or 3
