"""One photograph from its file to pixels."""

import importlib.util
import os
from typing import Any

import numpy as np

from tfbn.utils.validation import InputError

_WHITE = 255.0
# Gray levels in 16 bits; Pillow would cut them off at 255 instead of scaling them.
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class UnreadableError(Exception):
    """A file that is not an image, or a truncated one."""


def check_pillow() -> None:
    """Raises `InputError` if Pillow is missing, which reads the files."""
    if importlib.util.find_spec("PIL") is None:
        raise InputError(
            "Expected Pillow to be installed, to read images: pip install Pillow. Received: none"
        )


def decoded(file: str | os.PathLike, least: int = 0) -> np.ndarray:
    """The pixels of an image file, upright, in color, on white where it is transparent.

    Args:
        file: A file of any kind that Pillow reads. Of an animation, the first frame is used. The
            camera's orientation is applied.
        least: The smallest height and width that are needed; a JPEG much larger than
            that is decoded at a fraction of its size, which is much faster.

    Returns:
        uint8, shape `(height, width, 3)`.

    Raises:
        UnreadableError: The file cannot be read as an image.

    Example:

    >>> keras.utils.save_img(folder / "gray.png", np.full((2, 3, 1), 7.0), scale=False)
    >>> decoded(folder / "gray.png")[0, 0].tolist()
    [7, 7, 7]
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as image:
            if least and image.format == "JPEG":
                image.draft(None, (2 * least, 2 * least))
            image.load()
            return _opaque(ImageOps.exif_transpose(image))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise UnreadableError(f"{type(error).__name__}: {error}") from error


def size_of(file: str | os.PathLike) -> tuple[int, int] | None:
    """Height and width from the file's first bytes; None if it is not an image.

    Example:

    >>> keras.utils.save_img(folder / "gray.png", np.full((2, 3, 1), 7.0), scale=False)
    >>> size_of(folder / "gray.png")
    (2, 3)
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            return image.height, image.width
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _opaque(image: Any) -> np.ndarray:
    if image.mode in _DEEP:
        levels = np.asarray(image) // 256
        return np.repeat(levels.clip(0, 255).astype(np.uint8)[..., None], 3, -1)
    if image.mode == "F":
        raise UnreadableError("floating-point pixels, of which the range is not known")
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    pixels = np.asarray(image.convert("RGBA"), np.float32)
    alpha = pixels[..., 3:] / 255
    return np.round(pixels[..., :3] * alpha + _WHITE * (1 - alpha)).astype(np.uint8)
