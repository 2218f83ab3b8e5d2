"""The images of one run: the same for every arm with the same seed."""

import dataclasses
from typing import Any

import numpy as np

from tfbn.datasets import Images, builder, load, shifts
from tfbn.validation import InputError

# Runs draw from at most so many images of a large data set, to fit into memory.
POOL = 20_000


@dataclasses.dataclass(frozen=True)
class Split:
    """Images to train on and images held out; see `tfbn.datasets.Images` for shapes."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    classes: int


def check_data(config: Any) -> None:
    """Raises `InputError` if the data set cannot be had; embedded ones get prepared."""
    if 2 * config.border >= config.image_size:
        raise InputError(
            "Expected `border` to leave room for the image. "
            f"Received: border={config.border}, image_size={config.image_size}"
        )
    builder(config.dataset)


def target_split(config: Any, shift: str, seed: int) -> Split:
    """`train_images` and `test_images` drawn by `seed`, both shifted.

    Raises:
        InputError: The data set is too small for both.
    """
    pool = _pool(config)
    order = np.random.default_rng(seed).permutation(len(pool.images))
    wanted = config.train_images + config.test_images
    if wanted > len(order):
        raise InputError(
            f"Expected `train_images` + `test_images` to be at most {len(order)}, the images of "
            f"{config.dataset}. Received: train_images={config.train_images}, test_images={config.test_images}"
        )
    train, test = order[: config.train_images], order[config.train_images : wanted]
    moved = shifts.parse(shift)
    return Split(
        moved.apply(pool.images[train], seed),
        pool.labels[train],
        moved.apply(pool.images[test], seed + 1_000_003),  # noise of its own
        pool.labels[test],
        len(pool.class_names),
    )


def source_split(config: Any, seed: int) -> Split:
    """All images of the source but `test_images`, which are held out."""
    pool = _pool(config)
    order = np.random.default_rng(seed).permutation(len(pool.images))
    test, train = order[: config.test_images], order[config.test_images :]
    if not len(train):
        raise InputError(
            f"Expected `test_images` to be less than {len(order)}, the images of {config.dataset}. "
            f"Received: test_images={config.test_images}"
        )
    return Split(
        pool.images[train], pool.labels[train], pool.images[test], pool.labels[test], len(pool.class_names)
    )


def _pool(config: Any) -> Images:
    return load(config.dataset, image_size=config.image_size, border=config.border, channels=1, limit=POOL)
