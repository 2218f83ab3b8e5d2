"""A small plot of an interval, in characters, for the cell of a table."""

import math

HALF = 10  # characters on each side of the middle
MOST = 100.0  # what the ends stand for
BAR, ENDS, MEAN, MIDDLE, EMPTY = "─", ("├", "┤"), "●", "│", "·"


def strip(low: float, mean: float, high: float) -> str:
    """An interval on a scale that is linear near zero and logarithmic beyond, from -100 to 100.

    The middle is zero. Values beyond the ends are drawn at the ends.

    Example:

    >>> strip(2.0, 5.0, 12.0)
    '··········│·├─●─┤····'
    >>> strip(-3.0, -0.4, 0.5)
    '·······├─●─┤·········'
    """
    places = [_place(value) for value in (low, mean, high) if not math.isnan(value)]
    cells = [EMPTY] * (2 * HALF + 1)
    cells[HALF] = MIDDLE
    first, last = places[0], places[-1]
    cells[first : last + 1] = [BAR] * (last + 1 - first)
    if last > first:
        cells[first], cells[last] = ENDS
    cells[_place(mean)] = MEAN
    return "".join(cells)


def _place(value: float) -> int:
    share = math.log1p(min(abs(value), MOST)) / math.log1p(MOST)
    return HALF + round(math.copysign(share * HALF, value))
