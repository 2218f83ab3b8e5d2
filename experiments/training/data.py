"""The images of one run: the same for every arm with the same seed."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tfbn.datasets import Stream, shifts
from tfbn.utils.validation import InputError
from tfbn.utils.words import counted

from .pools import USUAL, Pool, Source, pool

MIXING = 20_261  # seed of one order of a source's images, the same for all seeds
TRAIN_SHARE = 0.7  # of each class of a folder that has no splits of its own


@dataclasses.dataclass(frozen=True)
class Split:
    """Images to train on and images held out.

    Attributes:
        train_x: float32 in [0, 1] before any preprocessing, shape
            `(n, height, width, channels)`; a `tfbn.datasets.Stream` if they are many.
        train_y: int64, shape `(n,)`.
        test_x: As `train_x`.
        test_y: As `train_y`.
        classes: How many classes there are.
    """

    train_x: Any
    train_y: np.ndarray
    test_x: Any
    test_y: np.ndarray
    classes: int

    def changed(self, change: Callable[[Any], Any]) -> "Split":
        """The same split with all images changed."""
        train_x, test_x = (
            x.changed(change) if isinstance(x, Stream) else change(x) for x in (self.train_x, self.test_x)
        )
        return dataclasses.replace(self, train_x=train_x, test_x=test_x)

    def held_back(self, images: int) -> "tuple[Split, tuple[np.ndarray, np.ndarray]]":
        """The split without the last training images, and these with their labels, to choose by."""
        rest = dataclasses.replace(self, train_x=self.train_x[:-images], train_y=self.train_y[:-images])
        return rest, (self.train_x[-images:], self.train_y[-images:])


def target_split(
    source: Source, train_images: int, test_images: int, shift: str, seed: int, disjoint: bool = False
) -> Split:
    """Images drawn with `seed`, to train and to test on, both shifted.

    Args:
        source: Where they come from. If it has splits, images to train on come from its training
            images, and images to test on from its test images, or its validation images if there
            are none.
        train_images: How many to train on. 0: all of a folder's own split, or 70 % of each class;
            300 of a TFDS data set.
        test_images: How many to test on. 0: all others of a folder, 1000 of a TFDS data set.
        shift: See `tfbn.datasets.shifts`.
        seed: Decides the draw.
        disjoint: Whether no image is in the draws of two seeds; needs both numbers.

    Raises:
        InputError: The source has too few images for both, or for that many seeds.
    """
    train_x, train_y, test_x, test_y = _drawn(source, train_images, test_images, seed, disjoint)
    moved, channels = shifts.parse(shift), source.shape[-1]
    return Split(
        _shifted(moved, _in_channels(train_x, channels), seed),
        train_y,
        _shifted(moved, _in_channels(test_x, channels), seed + 1_000_003),  # noise of its own
        test_y,
        len(pool(source).class_names),
    )


def source_split(source: Source, test_images: int, seed: int) -> Split:
    """All images of a source except `test_images`, which are held out.

    Raises:
        InputError: None are left to train on.
    """
    total = check_source(source, test_images)
    return target_split(source, total - test_images, test_images, "none", seed)


def check_source(source: Source, test_images: int) -> int:
    """The number of images of a source; raises `InputError` if it is not larger than `test_images`."""
    total = pool(source).size
    if test_images >= total:
        raise InputError(
            f"Expected `test_images` to be less than {total}, the images of {source.name}. "
            f"Received: test_images={test_images}"
        )
    return total


@functools.lru_cache(maxsize=1)
def _drawn(source: Source, train_images: int, test_images: int, seed: int, disjoint: bool) -> tuple[Any, ...]:
    """The images and labels of both parts, cached because all arms of a seed share them.

    Gray images in several channels are kept in one.
    """
    found = pool(source)
    draw = disjoint_positions if disjoint else positions
    train, test = draw(source, found, train_images, test_images, seed)
    parts = *found.get(train), *found.get(test)
    for labels, name in zip(parts[1::2], USUAL, strict=True):
        if not len(labels):
            raise InputError(f"Expected {source.name} to have images for `{name}`. Received: none")
    return tuple(_gray(part) for part in parts)


def _gray(images: Any) -> Any:
    """Images whose channels are the same in one channel; others, and labels, as they are."""
    if not isinstance(images, np.ndarray) or images.ndim != 4 or (images != images[..., :1]).any():
        return images
    return images[..., :1].copy()


def _in_channels(images: Any, channels: int) -> Any:
    """Images of `_gray` in all their channels."""
    if isinstance(images, Stream) or images.shape[-1] == channels:
        return images
    return np.repeat(images, channels, axis=-1)


def forget() -> None:
    """Drops the images that this process keeps; call it where the runs happen in other processes."""
    _drawn.cache_clear()
    pool.cache_clear()


def count(source: Source, test_images: int) -> int:
    """The number of images of a folder to train on, where the options leave it open.

    Reads no image, so unreadable files count too.
    """
    return len(positions(source, pool(source), 0, test_images, seed=0)[0])


def positions(
    source: Source, found: Pool, train_images: int, test_images: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the images to train on and of those to test on, in a random order.

    Args: see `target_split`.

    Raises:
        InputError: The source is too small for both.
    """
    rng = np.random.default_rng(seed)
    if not source.folder:
        train_images = train_images or USUAL["train_images"]
        test_images = test_images or USUAL["test_images"]
    held_out = found.splits.get("test", found.splits.get("validation"))
    if held_out is not None:
        parts = rng.permutation(found.splits["train"]), rng.permutation(held_out)
        for rows, wanted, name in zip(parts, (train_images, test_images), USUAL, strict=True):
            if wanted > len(rows):
                raise InputError(
                    f"Expected `{name}` to be at most {len(rows)}, the images of {source.name}'s split. "
                    f"Received: {name}={wanted}"
                )
        return parts[0][: train_images or None], parts[1][: test_images or None]
    if not train_images and found.labels is not None:
        train, test = stratified(found.labels, TRAIN_SHARE, rng)
        if test_images > len(test):
            train, test = np.split(rng.permutation(found.size), [found.size - test_images])
        return train, test[: test_images or None]
    wanted = train_images + (test_images or 1)
    if wanted > found.size or not train_images:
        raise InputError(
            f"Expected `train_images` + `test_images` to be at most {found.size}, the images of "
            f"{source.name}. Received: train_images={train_images}, test_images={test_images}"
        )
    order = rng.permutation(found.size)
    return order[:train_images], order[train_images:][: test_images or None]


def disjoint_positions(
    source: Source, found: Pool, train_images: int, test_images: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Like `positions`, but no image is in the draws of two seeds.

    Seed k has the k-th slice of one fixed order, within each split if the source has splits.

    Raises:
        InputError: There are not enough images for that many seeds.
    """
    held_out = found.splits.get("test", found.splits.get("validation"))
    if held_out is not None:
        parts = (found.splits["train"], train_images), (held_out, test_images)
        train, test = (_stretch(source, rows, number, seed) for rows, number in parts)
        return train, test
    drawn = _stretch(source, np.arange(found.size), train_images + test_images, seed)
    return drawn[:train_images], drawn[train_images:]


def _stretch(source: Source, rows: np.ndarray, number: int, seed: int) -> np.ndarray:
    """The seed's part of one order of the rows."""
    if (seed + 1) * number > len(rows):
        raise InputError(
            f"Expected `draws` to be random, or fewer images or seeds: {seed + 1} disjoint draws of "
            f"{counted(number, 'image')} are more than the {len(rows)} of {source.name}. Received: "
            "draws='disjoint'"
        )
    order = np.random.default_rng(MIXING).permutation(rows)
    return order[seed * number : (seed + 1) * number]


def stratified(labels: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Splits off a share of each class; a class of two or more examples is in both parts.

    Example:

    >>> one, other = stratified(np.array([0] * 10 + [1] * 2), 0.7, np.random.default_rng(0))
    >>> len(one), len(other), sorted(other)[-1] in (10, 11)
    (8, 4, True)
    """
    first, second = [], []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        number = len(rows) if len(rows) == 1 else min(max(1, round(share * len(rows))), len(rows) - 1)
        first.append(rows[:number])
        second.append(rows[number:])
    return rng.permutation(np.concatenate(first)), rng.permutation(np.concatenate(second))


def _shifted(moved: shifts.Shift, images: Any, seed: int) -> Any:
    if not isinstance(images, Stream):
        return moved.apply(images, seed)

    def change(batch: np.ndarray, rows: np.ndarray) -> np.ndarray:
        each = [moved.apply(image[None], [seed, row]) for image, row in zip(batch, rows, strict=True)]
        return np.concatenate(each) if each else batch

    return images.changed_at(change)
