"""Means and variances of channels: computed, averaged over time, pooled over batches. Pure NumPy.

All variances are biased (divided by N), as in BatchNormalization.
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import numpy as np

from tfbn.utils.validation import check_at_least, check_between, fail
from tfbn.utils.words import counted


@dataclasses.dataclass(frozen=True)
class Moments:
    """Mean and biased variance of each channel over `count` values.

    Attributes:
        mean: Shape `(channels,)`, float64.
        variance: Shape `(channels,)`, float64.
        count: Number of values per channel: batch size times positions. An array of shape
            `(channels,)` where they differ, since a mask runs along the channels' axis.
    """

    mean: np.ndarray
    variance: np.ndarray
    count: Any

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets of values together, by the law of total variance.

        `variance = (n_a v_a + n_b v_b) / n + (m_b - m_a)^2 n_a n_b / n^2`

        Source: Chan, Golub and LeVeque, 1979, "Updating formulae and a pairwise
        algorithm for computing sample variances".

        Example:

        >>> together = moments(np.array([[1.0], [3.0]])).merge(moments(np.array([[8.0]])))
        >>> together.mean.item(), round(together.variance.item(), 4), together.count
        (4.0, 8.6667, 3)
        """
        if self.mean.shape != other.mean.shape:
            raise fail("parts", f"to have {counted(len(self.mean), 'channel')} each", len(other.mean))
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        shift = other.mean - self.mean
        within = (1 - share) * self.variance + share * other.variance
        return Moments(self.mean + share * shift, within + share * (1 - share) * shift**2, count)


def moments(x: Any, axis: int = -1) -> Moments:
    """Mean and biased variance over all axes but one, in float64.

    Args:
        x: Array with at least one value for each channel.
        axis: The axis of the channels.

    Returns:
        The `Moments`.

    Raises:
        ValueError: `x` has no values, or no such axis.

    Example:

    >>> moments(np.array([[0.0, 5.0], [2.0, 5.0]])).mean.tolist()
    [1.0, 5.0]
    """
    x = np.asarray(x, np.float64)
    if not -x.ndim <= axis < x.ndim:
        raise fail("axis", f"to be an axis of x, which has the shape {x.shape}", axis)
    if x.size == 0:
        raise fail("x", "to have at least one value", x.shape)
    rows = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    return Moments(rows.mean(0), rows.var(0), len(rows))


def pool(parts: Iterable[Moments]) -> Moments:
    """The moments of several sets of values together, each weighted by its true count.

    Args:
        parts: At least one `Moments`. They are read one by one, so a generator over
            a large data set needs memory for one.

    Returns:
        What `moments` would return for all the values at once.

    Raises:
        ValueError: There are no parts, or they have different numbers of channels.

    Example:

    >>> parts = [moments(np.array([[1.0], [3.0]])), moments(np.array([[8.0]]))]
    >>> pool(parts).mean.tolist()
    [4.0]
    """
    parts = iter(parts)
    first = next(parts, None)
    if first is None:
        raise fail("parts", "to have at least one element", [])
    return functools.reduce(Moments.merge, parts, first)


def moving_average(old: Any, new: Any, momentum: float) -> np.ndarray:
    """One update: `momentum * old + (1 - momentum) * new`.

    Args:
        old: The moving statistic before.
        new: The batch's statistic.
        momentum: Weight of the old value, in [0, 1] (PyTorch's weighs the new one).

    Example:

    >>> moving_average(0.0, 2.0, momentum=0.75).item()
    0.5
    """
    check_between("momentum", momentum, 0, 1)
    return momentum * np.asarray(old, np.float64) + (1 - momentum) * np.asarray(new, np.float64)


def moving_average_after(steps: int, old: Any, new: Any, momentum: float) -> np.ndarray:
    """The moving statistic after `steps` updates by the same value, in closed form.

    `new + momentum^steps * (old - new)`: it has covered `1 - momentum^steps` of the distance.

    Example:

    >>> moving_average_after(2, 0.0, 4.0, momentum=0.5).item()
    3.0
    """
    check_at_least("steps", steps, 0)
    check_between("momentum", momentum, 0, 1)
    old, new = np.asarray(old, np.float64), np.asarray(new, np.float64)
    return new + momentum**steps * (old - new)
