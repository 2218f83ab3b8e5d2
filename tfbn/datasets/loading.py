"""Any TFDS data set as arrays; the embedded ones are prepared on first use."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfbn.datasets.images import Form, Images, at_positions, check_positions, collected
from tfbn.utils.extras import check_installed
from tfbn.utils.validation import InputError, fail, near_names

# Their data come inside packages, so that they can be prepared offline.
EMBEDDED = ("mnist5k", "uci_digits")
# Name in TFDS -> a data set of the same images here, from files of a system package.
_INSTALLED = {"fashion_mnist": "debian_fashion_mnist"}
_OFFLINE = (*EMBEDDED, *_INSTALLED.values())


def builder(name: str, data_dir: str | os.PathLike | None = None, download: bool = False) -> Any:
    """A TFDS builder whose data are on this machine.

    Embedded data sets are prepared if they are not, and so is Fashion-MNIST if Debian's
    package `dataset-fashion-mnist` is installed. Others must have been prepared before, unless
    `download` allows it, since a request without a network can take minutes.

    Args:
        name: Any TFDS name, such as `"mnist5k"`, `"cifar10"` or `"imagenet_v2/topimages"`.
        data_dir: TFDS's folder; None: TFDS's own default.
        download: Whether data may be downloaded.

    Raises:
        InputError: There is no such data set, it is not on this machine and cannot be
            downloaded, or it cannot be written to `data_dir`.

    Example:

    >>> builder("uci_digits", folder).info.splits["train"].num_examples
    1797
    """
    check_installed("tensorflow_datasets", "importlib_resources")
    import tensorflow_datasets as tfds

    from tfbn.datasets import debian_fashion_mnist, mnist5k, uci_digits  # noqa: F401  registers them

    try:
        found = tfds.builder(name, data_dir=data_dir)
    except (ValueError, TypeError, AssertionError, OSError):  # the last two: no such version or files
        known = [*EMBEDDED, *tfds.list_builders(with_community_datasets=False)]
        raise fail("dataset", f"to be a TFDS name ({near_names(name, known)})", name) from None
    if found.is_prepared():
        return found
    if found.name in _INSTALLED and not download and debian_fashion_mnist.is_installed():
        return builder(_INSTALLED[found.name], data_dir)
    if found.name in _INSTALLED.values() and not debian_fashion_mnist.is_installed():
        package = debian_fashion_mnist.PACKAGE
        raise fail("dataset", f"to be installed (apt-get install {package})", name)
    if not download and found.name not in _OFFLINE:
        ways = "allow the download, or prepare it there with TFDS"
        if found.name in _INSTALLED:
            ways += f", or apt-get install {debian_fashion_mnist.PACKAGE}"
        raise fail("dataset", f"to be prepared in {found.data_dir_root} ({ways})", name)
    _prepare(found)
    # Again: if another process was first, the old builder does not know the splits.
    return tfds.builder(name, data_dir=data_dir)


def load(
    name: str,
    split: str = "train",
    *,
    image_size: int | None = None,
    border: int = 0,
    channels: int | None = None,
    limit: int | None = None,
    positions: np.ndarray | None = None,
    data_dir: str | os.PathLike | None = None,
    download: bool = False,
) -> Images:
    """Images and labels of a TFDS data set.

    Args:
        name: Any TFDS name with `image` and `label`.
        split: A split or a slice of one, as in TFDS: `"train"`, `"train[:300]"`, `"test[80%:]"`.
        image_size: Height and width in pixels, the border included; None: as stored.
        border: Empty (zero) pixels on each side.
        channels: 1 (gray) or 3; None: as stored.
        limit: Read at most this many examples.
        positions: Keep only the examples at these positions of the split, in this order;
            the others are not decoded.
        data_dir: See `builder`.
        download: See `builder`.

    Raises:
        InputError: No such data set, not on this machine, no such split, not one of
            labeled images, or a form that images cannot have.

    Example:

    >>> digits = load("uci_digits", "train[:5]", image_size=28, border=4, data_dir=folder)
    >>> digits.images.shape, len(digits.class_names)
    ((5, 28, 28, 1), 10)
    """
    import tensorflow_datasets as tfds

    form = Form(image_size, border, channels, limit)
    found = builder(name, data_dir, download)
    features = found.info.features
    if not {"image", "label"} <= set(features) or not hasattr(features["label"], "names"):
        raise fail("dataset", f"to have an image and a class label; it has {sorted(features)}", name)
    try:
        skipped = {"image": tfds.decode.SkipDecoding()} if positions is not None else None
        data = found.as_dataset(split=split, shuffle_files=False, decoders=skipped)
        pairs = data.map(lambda example: (example["image"], example["label"]))
    except (ValueError, KeyError, AssertionError, AttributeError):  # the last: None gives them all
        splits = sorted(found.info.splits)
        raise fail("split", f"to be a split of {name} or a slice of one (it has {splits})", split) from None
    names = tuple(features["label"].names)
    if positions is None:
        return collected(pairs, form, names)
    rows = check_positions(positions)
    decode = features["image"].decode_example
    chosen = at_positions(pairs, rows).map(lambda image, label: (decode(image), label))
    images = collected(chosen, form, names)
    if len(images.labels) < len(rows):
        raise fail("positions", f"to be positions of {name}'s {split}", int(rows.max()))
    back = np.argsort(np.argsort(rows))
    return Images(images.images[back], images.labels[back], names)


def _prepare(found: Any) -> None:
    """Prepares a data set, unless another process is doing so; quiet if nothing is downloaded."""
    import io

    folder = Path(found.data_dir_root)
    embedded = found.name in _OFFLINE
    quiet = contextlib.redirect_stdout(io.StringIO())  # TFDS would announce a download
    with _one_at_a_time(folder, found.name), quiet if embedded else contextlib.nullcontext():
        try:
            found.download_and_prepare()
        except OSError as error:
            if embedded:
                raise _not_writable(folder, error) from error
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise fail("dataset", f"to be one that can be downloaded ({reason})", found.name) from error


@contextlib.contextmanager
def _one_at_a_time(folder: Path, name: str) -> Iterator[None]:
    """Prevents a second process from preparing the same data set at the same time."""
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f".{name}.lock").open("w")
    except OSError as error:
        raise _not_writable(folder, error) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file closes, also if the process dies
        yield


def _not_writable(folder: Path, error: OSError) -> InputError:
    return fail("data_dir", f"to be a folder that can be written ({error.strerror or error})", str(folder))
