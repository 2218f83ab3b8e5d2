"""The images of a folder as a network takes them, with a summary."""

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfbn.datasets.decoding import size_of
from tfbn.datasets.folder import Stream, read, recognized
from tfbn.datasets.images import Form
from tfbn.datasets.listing import Listing, list_folder
from tfbn.utils.validation import check_at_least

IN_MEMORY = 2**29  # bytes of float32; more are streamed from disk
_MOST_CLASSES = 12  # more are counted
_MOST_SIZES = 500  # files whose size is looked up


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """Images drawn from a folder.

    Attributes:
        x: As the network takes them, an array or a `tfbn.datasets.Stream`.
        labels: int64, shape `(n,)`.
        listing: What the folder holds.
        fed: The range of pixels, in words.
    """

    x: Any
    labels: np.ndarray
    listing: Listing
    fed: str

    def summary(self) -> str:
        """Classes, counts, sizes, the range of pixels, and the skipped files."""
        total, used = len(self.listing.files), len(self.labels)
        drawn = "" if used == total else f", {used:,} of them used"
        lines = [
            f"Images: {total:,}{drawn}, in {classes_of(self.listing)}",
            f"Sizes: {sizes_of(self.listing.files)}; fed as {' x '.join(map(str, self.x.shape[1:]))}",
            f"Pixels fed: {self.fed}",
        ]
        if self.listing.splits:
            each = ", ".join(f"{name} {len(rows):,}" for name, rows in self.listing.splits.items())
            lines.append(f"Splits: {each}; the training images are used")
        lines += [f"Skipped: {'; '.join(self.listing.ignored)}"] if self.listing.ignored else []
        return "\n".join(lines)


def pictures(
    folder: str | os.PathLike,
    shape: tuple[int, int, int],
    *,
    change: Any,
    most: int,
    seed: int = 0,
    skip_unreadable: bool = False,
) -> Pictures:
    """Draws images from a folder; if it has splits, from the training images.

    Only these are read, once; what does not fit into memory is streamed.

    Args:
        folder: See `tfbn.datasets.list_folder`.
        shape: Height, width and channels of the images.
        change: The range of pixels: `change.of(images)` from images in [0, 1] to what the
            network takes; prints as text.
        most: The largest number of images, drawn from all classes.
        seed: Decides the draw.
        skip_unreadable: Whether to skip files that cannot be read.

    Raises:
        InputError: No such images, or files that cannot be read: all of them are named.

    Example:

    >>> from tfbn.models.pixel_range import PixelRange
    >>> (folder / "pets" / "cat").mkdir(parents=True)
    >>> keras.utils.save_img(folder / "pets" / "cat" / "1.png", np.full((9, 9, 3), 51.0), scale=False)
    >>> found = pictures(folder / "pets", (4, 4, 3), change=PixelRange("byte", "a flag"), most=10)
    >>> found.x.shape, float(found.x.max())
    ((1, 4, 4, 3), 51.0)
    """
    check_at_least("most", most, 1)
    listing = list_folder(folder)
    rows = listing.splits.get("train", np.arange(len(listing.files)))
    rows = np.random.default_rng(seed).permutation(rows)[:most]
    files, form = [listing.files[row] for row in rows], Form(shape[0], channels=shape[2])
    if 4 * math.prod(shape) * len(rows) > IN_MEMORY:
        kept = recognized(files, skip_unreadable)
        x: Any = Stream([files[row] for row in kept], form).changed(change.of)
    else:
        images, kept = read(files, form, skip_unreadable)
        x = np.asarray(change.of(images), np.float32)
    return Pictures(x, listing.labels[rows][kept], listing, str(change))


def classes_of(listing: Listing) -> str:
    """As `2 classes (cat 95, dog 95)`.

    Example: see `Pictures.summary`.
    """
    counts = [f"{name} {number:,}" for name, number in listing.counts().items()]
    more = ", ..." if len(counts) > _MOST_CLASSES else ""
    return f"{len(counts)} classes ({', '.join(counts[:_MOST_CLASSES])}{more})"


def sizes_of(files: Sequence[str]) -> str:
    """The smallest and the largest of some files' images, such as `60 x 80 to 3000 x 4000`.

    Example:

    >>> sizes_of([])
    'not known'
    """
    some = (
        [files[row] for row in np.unique(np.linspace(0, len(files) - 1, _MOST_SIZES).astype(int))]
        if files
        else []
    )
    sizes = sorted(filter(None, map(size_of, some)), key=math.prod)
    if not sizes:
        return "not known"
    (low, wide), (high, widest) = sizes[0], sizes[-1]
    return f"{low} x {wide}" if sizes[0] == sizes[-1] else f"{low} x {wide} to {high} x {widest}"
