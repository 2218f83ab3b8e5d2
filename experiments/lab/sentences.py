"""Plain sentences made from numbers."""

from typing import TYPE_CHECKING

from tfbn.utils.words import counted

from .intervals import Interval

if TYPE_CHECKING:
    import pandas as pd


def difference(change: Interval, unit: str = "points", digits: int = 1) -> str:
    """Says whether there is a paired difference, how large it is, and how certain.

    Example:

    >>> from experiments.lab.intervals import interval
    >>> difference(interval([4.0, 5.0, 6.0]))
    'higher by 5.0 [2.5, 7.5] points (3 of 3 seeds agree)'
    >>> difference(interval([-4.0, 5.0, 6.0]))
    'no difference that these runs can show, +2.3 [-11.4, 16.0] points (2 of 3 seeds agree)'
    """
    unit = f" {unit}" if unit else ""
    seeds = f"({change.agree} of {change.seeds} seed{'s agree' if change.seeds != 1 else ' agrees'})"
    if not change.sign:
        return f"no difference that these runs can show, {change.text(digits)}{unit} {seeds}"
    size = change if change.sign > 0 else change.negative()
    word = "higher" if change.sign > 0 else "lower"
    return f"{word} by {size.text(digits, signed=False)}{unit} {seeds}"


def shift_in_words(shift: str) -> str:
    """The name of a shift in titles and sentences.

    Example:

    >>> shift_in_words("none"), shift_in_words("contrast=0.3")
    ('no shift', 'contrast=0.3')
    """
    return "no shift" if shift == "none" else shift


def never_moved(what: str, where: str, change: "pd.Series") -> str:
    """Says in how many runs a value changed that should not; empty if there were no runs."""
    moved = int((change > 0).sum())
    if not len(change):
        return ""
    if moved:
        return f"{what} of {where} moved in {moved} of {counted(len(change), 'run')}, though they should not"
    return f"{what} of {where} did not move by one bit in any of {counted(len(change), 'run')}"
