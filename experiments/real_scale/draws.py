"""The images that a seed uses for training, validation and test."""

import dataclasses

import numpy as np

from tfbn.utils.validation import InputError
from tfbn.utils.words import counted

from .conditions import Condition

MIXING = 20_261  # seed of one order of a target's images, the same for all seeds


@dataclasses.dataclass(frozen=True)
class Draw:
    """Indices of a seed's images; no image is in two of the sets."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def draw(condition: Condition, images: int, seed: int) -> Draw:
    """Draws the images of a seed.

    No two seeds share test images: seed k has the k-th section of one fixed order. The other
    images are drawn at random from those that no seed is tested on, or, if these are too few,
    from all but the seed's own test images.

    Args:
        condition: The number of images of each kind.
        images: Number of images of the target.
        seed: At most `condition.most_seeds - 1`.

    Raises:
        InputError: The target has too few images.

    Example:

    >>> few = Condition("few", "", train=3, validation=1, test=2, most_seeds=3)
    >>> sorted(np.concatenate([draw(few, 10, seed).test for seed in range(3)])) == sorted(
    ...     np.random.default_rng(MIXING).permutation(10)[:6])
    True
    """
    order = np.random.default_rng(MIXING).permutation(images)
    wanted = condition.train + condition.validation
    most = condition.most_seeds
    if seed >= most or most * condition.test > images or wanted + condition.test > images:
        raise InputError(
            f"Expected a target with images for {counted(most, 'seed')} of {condition.test} test images "
            f"each, and {wanted} others. "
            f"Received: condition={condition.name!r} with {counted(images, 'image')}, "
            f"seed={seed}"
        )
    test = order[seed * condition.test : (seed + 1) * condition.test]
    others = order[most * condition.test :]
    if wanted > len(others):
        others = np.setdiff1d(order, test)
    chosen = np.random.default_rng(seed).permutation(others)[:wanted]
    return Draw(chosen[: condition.train], chosen[condition.train :], test)


def batches(images: int, size: int, orders: int, seed: int) -> list[np.ndarray]:
    """Indices of the training batches, over several random orders of the images; all batches are full.

    The last batch of an order is filled up from its beginning.

    Example:

    >>> [len(each) for each in batches(5, 2, orders=2, seed=0)]
    [2, 2, 2, 2, 2, 2]
    """
    rng = np.random.default_rng([seed, 1])
    found = []
    for _ in range(orders):
        order = rng.permutation(images)
        whole = np.resize(order, -(-images // size) * size)
        found += list(whole.reshape(-1, size))
    return found
