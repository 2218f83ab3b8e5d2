"""Sets of moving statistics that a frozen network can be run by."""

import numpy as np

import tfbn

from ..training.extractor import CHUNK, Extractor, Follower, Source, row_of, set_row

__all__ = ["CHUNK", "Extractor", "Follower", "Source", "blended", "moving", "row_of", "set_row"]


def blended(source: np.ndarray, target: np.ndarray, share: float) -> np.ndarray:
    """`(1 - share) * source + share * target`, means and variances alike.

    Example:

    >>> blended(np.array([0.0, 1.0]), np.array([4.0, 9.0]), 0.25).tolist()
    [1.0, 3.0]
    """
    return (1 - share) * source + share * target


def moving(source: np.ndarray, seen: list[np.ndarray], steps: int, momentum: float) -> np.ndarray:
    """What the moving statistics come to after some steps through batches that are taken in turn.

    Example:

    >>> moving(np.array([0.0]), [np.array([4.0]), np.array([8.0])], steps=3, momentum=0.5).tolist()
    [4.5]
    """
    now = source
    for step in range(steps):
        now = tfbn.statistics.moving_average(now, seen[step % len(seen)], momentum)
    return now
