"""The images of one run: the same for every arm with the same seed."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np

from tfbn.datasets import Images, load, load_folder, shifts
from tfbn.utils.validation import InputError

# Runs draw from at most so many images of a large data set, to fit into memory.
POOL = 20_000
# The digits of UCI's are small; so they get about the border that those of MNIST have.
BORDERS = {"uci_digits": 4}


@dataclasses.dataclass(frozen=True)
class Source:
    """Where images come from, and in which form.

    Attributes:
        dataset: A TFDS name; not used if there is a folder.
        folder: A folder of class folders, or "".
        shape: Height, width and channels.
        border: Empty pixels around each image; -1 for the data set's usual.
        download: Whether TFDS may fetch.
    """

    dataset: str
    folder: str
    shape: tuple[int, int, int]
    border: int = -1
    download: bool = False

    @property
    def name(self) -> str:
        """For messages and tables."""
        return Path(self.folder).name if self.folder else self.dataset


@dataclasses.dataclass(frozen=True)
class Split:
    """Images to train on and images held out; see `tfbn.datasets.Images` for shapes."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    classes: int


@functools.lru_cache(maxsize=2)
def pool(source: Source) -> Images:
    """All images of a source, at most `POOL`.

    Raises:
        InputError: They cannot be had.
    """
    size, width, channels = source.shape
    if size != width:
        raise InputError(f"Expected square images. Received: height={size}, width={width}")
    usual = 0 if source.folder else BORDERS.get(source.dataset, 0)
    border = usual if source.border < 0 else source.border
    if 2 * border >= size:
        raise InputError(
            f"Expected `border` to leave room for the image. Received: border={border}, image_size={size}"
        )
    form: dict[str, Any] = {"image_size": size, "border": border, "channels": channels, "limit": POOL}
    if source.folder:
        images = load_folder(source.folder, **form)
    else:
        images = load(source.dataset, download=source.download, **form)
    if len(images.class_names) < 2:
        raise InputError(
            f"Expected images of at least two classes. Received: {images.class_names} in {source.name}"
        )
    return images


def target_split(source: Source, train_images: int, test_images: int, shift: str, seed: int) -> Split:
    """Images drawn by `seed`, to train and to test on, both shifted.

    Raises:
        InputError: The source is too small for both.
    """
    images = pool(source)
    order = np.random.default_rng(seed).permutation(len(images.images))
    wanted = train_images + test_images
    if wanted > len(order):
        raise InputError(
            f"Expected `train_images` + `test_images` to be at most {len(order)}, the images of "
            f"{source.name}. Received: train_images={train_images}, test_images={test_images}"
        )
    train, test = order[:train_images], order[train_images:wanted]
    moved = shifts.parse(shift)
    return Split(
        moved.apply(images.images[train], seed),
        images.labels[train],
        moved.apply(images.images[test], seed + 1_000_003),  # noise of its own
        images.labels[test],
        len(images.class_names),
    )


def source_split(source: Source, test_images: int, seed: int) -> Split:
    """All images of a source but `test_images`, which are held out.

    Raises:
        InputError: None are left to train on.
    """
    total = check_source(source, test_images)
    return target_split(source, total - test_images, test_images, "none", seed)


def check_source(source: Source, test_images: int) -> int:
    """How many images a source has; raises `InputError` if there are not more than `test_images`."""
    total = len(pool(source).images)
    if test_images >= total:
        raise InputError(
            f"Expected `test_images` to be less than {total}, the images of {source.name}. "
            f"Received: test_images={test_images}"
        )
    return total
