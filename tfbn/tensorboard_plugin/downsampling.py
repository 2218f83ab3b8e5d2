"""Fewer points of a series, evenly chosen."""

import numpy as np


def chosen(steps: np.ndarray, count: int, first: int | None = None, last: int | None = None) -> np.ndarray:
    """Indices of at most `count` steps in a range, evenly over the steps, both ends among them.

    Args:
        steps: Ascending.
        count: At least 2.
        first: The first step; None: no limit.
        last: The last step, included; None: no limit.

    Returns:
        Ascending indices into `steps`.

    Example:

    >>> chosen(np.array([0, 1, 2, 3, 100]), count=3).tolist()
    [0, 3, 4]
    >>> chosen(np.array([0, 10, 20, 30]), count=5, first=10, last=29).tolist()
    [1, 2]
    """
    begin = 0 if first is None else int(np.searchsorted(steps, first, "left"))
    end = len(steps) if last is None else int(np.searchsorted(steps, last, "right"))
    if end - begin <= count:
        return np.arange(begin, end)
    inside = steps[begin:end]
    wanted = np.linspace(inside[0], inside[-1], count)
    # The step nearest to each of the wanted ones.
    right = np.clip(np.searchsorted(inside, wanted), 1, len(inside) - 1)
    nearer_left = wanted - inside[right - 1] < inside[right] - wanted
    return begin + np.unique(right - nearer_left)
