"""Plain sentences made from numbers."""

from experiments.common.statistics import Interval


def difference(what: str, change: Interval, unit: str = "points", digits: int = 1) -> str:
    """Says whether a paired difference is there, how large, and how sure.

    Args:
        what: What the difference is of, as "test accuracy of batch over inference".
        change: The paired difference.
        unit: Its unit.
        digits: Digits after the point.

    Example:

    >>> from experiments.common.statistics import interval
    >>> difference("accuracy of b over a", interval([4.0, 5.0, 6.0]))
    'accuracy of b over a: higher by +5.0 [2.5, 7.5] points, 3 of 3 seeds agree'
    """
    size = f"{change.text(digits)} {unit}, {agreement(change)}"
    if change.sign:
        return f"{what}: {'higher' if change.sign > 0 else 'lower'} by {size}"
    return f"{what}: no difference that these runs can show, {size}"


def agreement(change: Interval) -> str:
    """As "4 of 5 seeds agree"."""
    return f"{change.agree} of {change.seeds} seed{'s' if change.seeds != 1 else ''} agree"


def never_moved(what: str, moved: int, runs: int) -> str:
    """Says in how many runs something that should not move did."""
    if moved:
        return f"{what} moved in {moved} of {runs} runs, though they should not"
    return f"{what} did not move by one bit in any of {runs} runs"
