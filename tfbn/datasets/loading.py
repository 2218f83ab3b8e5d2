"""Any data set of TFDS, or a folder of class folders, as arrays."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfbn.validation import InputError, fail, near_names

# Their data come inside packages, so that they can be prepared without a network.
EMBEDDED = ("mnist5k", "uci_digits")


@dataclasses.dataclass(frozen=True)
class Images:
    """A labelled set of images in memory.

    Attributes:
        images: float32 in [0, 1], shape `(n, height, width, channels)`.
        labels: int64, shape `(n,)`.
        class_names: The name of each class, by label.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]


def builder(name: str, data_dir: str | os.PathLike | None = None, download: bool = False) -> Any:
    """A TFDS builder whose data are on this machine.

    Embedded data sets are prepared if they are not. Others must have been prepared
    before, unless `download` allows it: asking a network that is not there can take
    minutes.

    Args:
        name: Any TFDS name, as `"mnist5k"`, `"cifar10"` or `"imagenet_v2/topimages"`.
        data_dir: TFDS's folder; None: TFDS's own default.
        download: Whether data may be fetched.

    Raises:
        InputError: There is no such data set, or it is not on this machine.
    """
    import tensorflow_datasets as tfds

    from tfbn.datasets import mnist5k, uci_digits  # noqa: F401  registers them with TFDS

    try:
        found = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.DatasetNotFoundError, ValueError, OSError):
        known = [*EMBEDDED, *tfds.list_builders(with_community_datasets=False)]
        raise fail("dataset", f"to be a TFDS name ({near_names(name, known)})", name) from None
    if download or found.name in EMBEDDED:
        _prepare(found)
    elif not found.is_prepared():
        raise fail(
            "dataset",
            f"to be prepared in {found.data_dir_root} (allow the download, or prepare it there with TFDS)",
            name,
        )
    return found


def load(
    name: str,
    split: str = "train",
    *,
    image_size: int | None = None,
    border: int = 0,
    channels: int | None = None,
    limit: int | None = None,
    data_dir: str | os.PathLike | None = None,
    download: bool = False,
) -> Images:
    """Images and labels of a TFDS data set.

    Args:
        name: Any TFDS name with `image` and `label`.
        split: As TFDS has it: `"train"`, `"train[:300]"`, `"test[80%:]"`.
        image_size: Height and width in pixels, the border included; None: as stored.
        border: Empty (zero) pixels on each side.
        channels: 1 (grey) or 3; None: as stored.
        limit: Read at most so many examples.
        data_dir: See `builder`.
        download: See `builder`.

    Raises:
        InputError: No such data set, not on this machine, no such split, or not one of
            labelled images.

    Example:

    >>> digits = load("uci_digits", "train[:5]", image_size=28, border=4, data_dir=folder)
    >>> digits.images.shape, len(digits.class_names)
    ((5, 28, 28, 1), 10)
    """
    found = builder(name, data_dir, download)
    features = found.info.features
    if not {"image", "label"} <= set(features) or not hasattr(features["label"], "names"):
        raise fail("dataset", f"to have an image and a class label; it has {sorted(features)}", name)
    try:
        data = found.as_dataset(split=split, shuffle_files=False)
    except (ValueError, KeyError, AssertionError):
        splits = sorted(found.info.splits)
        raise fail("split", f"to be a split of {name} or a slice of one (it has {splits})", split) from None
    pairs = data.take(limit if limit is not None else -1).map(lambda e: (e["image"], e["label"]))
    return _collect(pairs, image_size, border, channels, tuple(features["label"].names))


def load_folder(
    folder: str | os.PathLike,
    *,
    image_size: int,
    border: int = 0,
    channels: int | None = 3,
    limit: int | None = None,
) -> Images:
    """Images of a folder that has one folder for each class.

    Args:
        folder: The folder; `folder/<class>/<anything>.png`, `.jpg`, `.bmp` or `.gif`.
        image_size: Height and width in pixels, the border included.
        border: Empty pixels on each side.
        channels: 1 (grey) or 3.
        limit: Read at most so many examples, drawn over all classes.

    Raises:
        InputError: Not a folder, no class folders with images, or an image that cannot be read.
    """
    import keras

    path = Path(folder)
    if not path.is_dir():
        raise fail("data_dir", "to be a folder", str(folder))
    classes = sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise fail("data_dir", "to be a folder with one folder for each class", str(folder))
    inner = image_size - 2 * border
    try:
        data = keras.utils.image_dataset_from_directory(
            path,
            class_names=classes,
            color_mode="grayscale" if channels == 1 else "rgb",
            batch_size=None,
            image_size=(inner, inner),
            seed=0,
            verbose=False,
        )
    except ValueError as error:
        raise InputError(
            f"Expected `data_dir` to hold images. Received: data_dir={str(folder)!r} ({error})"
        ) from None
    data = data.take(limit if limit is not None else -1)
    try:
        return _collect(data, image_size, border, channels, tuple(classes))
    except Exception as error:
        bad = _unreadable(path)
        if bad is None:
            raise
        raise fail("data_dir", "to hold images that can be read", str(bad)) from error


def _collect(
    pairs: Any, image_size: int | None, border: int, channels: int | None, class_names: tuple[str, ...]
) -> Images:
    """Reads a tf.data set of `(image, label)` into arrays."""
    import tensorflow as tf

    def ready(image: Any, label: Any) -> tuple[Any, Any]:
        # What is stored as integers has levels 0..255; images read from a folder are floats, 0..255 too.
        image = tf.cast(image, tf.float32) / 255.0
        if channels == 1 and image.shape[-1] == 3:
            image = tf.image.rgb_to_grayscale(image)
        if channels == 3 and image.shape[-1] == 1:
            image = tf.image.grayscale_to_rgb(image)
        if image_size is not None:
            inner = image_size - 2 * border
            image = tf.image.resize(image, (inner, inner), antialias=True)
        return tf.pad(image, [[border, border], [border, border], [0, 0]]), tf.cast(label, tf.int64)

    try:
        examples = list(pairs.map(ready, num_parallel_calls=2).as_numpy_iterator())
    except tf.errors.DataLossError as error:
        raise InputError(f"Expected data that can be read. Received: {error.message}") from None
    if not examples:
        raise InputError("Expected at least one example. Received: an empty split")
    images, labels = (np.stack(part) for part in zip(*examples, strict=True))
    return Images(images, labels, class_names)


def _unreadable(folder: Path) -> Path | None:
    import tensorflow as tf

    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".gif"):
            try:
                tf.io.decode_image(path.read_bytes())
            except tf.errors.InvalidArgumentError:
                return path
    return None


def _prepare(found: Any) -> None:
    """Prepares what is not prepared; quietly where nothing is downloaded."""
    import io

    if found.is_prepared():
        return
    folder = Path(found.data_dir_root)
    quiet = contextlib.redirect_stdout(io.StringIO())  # TFDS would speak of a download
    with _one_at_a_time(folder, found.name), quiet if found.name in EMBEDDED else contextlib.nullcontext():
        found.download_and_prepare()


@contextlib.contextmanager
def _one_at_a_time(folder: Path, name: str) -> Iterator[None]:
    """Keeps a second process from preparing the same data set meanwhile."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file closes, also if the process dies
        yield
