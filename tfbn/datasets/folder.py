"""A folder of class folders as arrays."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from tfbn.datasets.images import Form, Images, collected
from tfbn.utils.validation import fail

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")


def load_folder(
    folder: str | os.PathLike,
    *,
    image_size: int,
    border: int = 0,
    channels: int | None = 3,
    limit: int | None = None,
) -> Images:
    """Images of a folder that has one folder for each class.

    Files with other suffixes, and all whose names begin with a dot, are passed over.
    Where an image is transparent, a white background shows.

    Args:
        folder: The folder; `folder/<class>/<anything>.png`, `.jpg`, `.jpeg`, `.bmp` or
            `.gif` (of which the first frame counts), also in folders further down.
        image_size: Height and width in pixels, the border included.
        border: Empty pixels on each side.
        channels: 1 (gray) or 3; None means 3.
        limit: Read at most so many examples, drawn over all classes.

    Returns:
        The images, in an order that is random, but the same for the same files.

    Raises:
        InputError: Not a folder, no class folders with images, or an image that cannot be read.

    Example:

    >>> for name, level in (("dark", 20), ("light", 200)):
    ...     (folder / name).mkdir()
    ...     keras.utils.save_img(folder / name / "1.png", np.full((9, 9, 3), level), scale=False)
    >>> loaded = load_folder(folder, image_size=8)
    >>> loaded.images.shape, loaded.class_names
    ((2, 8, 8, 3), ('dark', 'light'))
    """
    import tensorflow as tf

    form = Form(image_size, border, channels or 3, limit)
    path = Path(folder)
    if not path.is_dir():
        raise fail("data_dir", "to be a folder", str(folder))
    classes = sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise fail("data_dir", "to be a folder with one folder for each class", str(folder))
    files = [file for name in classes for file in _files(path / name)]
    if not files:
        raise fail("data_dir", f"to hold images ({', '.join(SUFFIXES)})", str(folder))
    # Mixed, so that a limit draws over all classes.
    chosen = [files[i] for i in np.random.default_rng(0).permutation(len(files))][:limit]
    labels = [classes.index(file.relative_to(path).parts[0]) for file in chosen]
    data = tf.data.Dataset.from_tensor_slices(([str(file) for file in chosen], labels))
    try:
        return collected(data.map(lambda name, label: (_decoded(name), label)), form, tuple(classes))
    except (tf.errors.InvalidArgumentError, tf.errors.PermissionDeniedError) as error:
        bad = _unreadable(chosen)
        if bad is None:
            raise
        raise fail("data_dir", "to hold images that can be read", str(bad)) from error


def _files(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted(path for path in found if not path.name.startswith("."))


def _decoded(name: Any) -> Any:
    import tensorflow as tf

    image = tf.io.decode_image(tf.io.read_file(name), expand_animations=False)
    return tf.ensure_shape(_opaque(image), (None, None, 3))


def _opaque(image: Any) -> Any:
    """Gray or color, with or without alpha, as color on white; values 0..255."""
    import tensorflow as tf

    number = tf.shape(image)[-1]
    colors = number - 1 + number % 2  # gray with alpha has two channels, color with alpha four
    levels = tf.cast(image, tf.float32)
    alpha = tf.where(colors == number, tf.ones_like(levels[..., -1:]), levels[..., -1:] / 255)
    levels = levels[..., :colors] * tf.ones(3)  # one channel becomes three
    return tf.cast(tf.round(levels * alpha + 255 * (1 - alpha)), tf.uint8)


def _unreadable(files: list[Path]) -> Path | None:
    import tensorflow as tf

    for file in files:
        try:
            _decoded(str(file))
        except (tf.errors.InvalidArgumentError, tf.errors.PermissionDeniedError):
            return file
    return None
