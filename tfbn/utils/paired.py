"""Paired differences of two classifiers, and the one kind of interval that is used everywhere.

It is Student's t over the repeats (seeds, or parts of the data), and never narrower than what the number
of test images allows.
"""

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from tfbn.utils.validation import check_between, fail

CONFIDENCE = 0.95
Key = TypeVar("Key", bound=Hashable)


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference of two shares of correct answers, with its interval.

    Attributes:
        mean: The difference, in [-1, 1].
        low: Lower end of the interval, at least -1.
        high: Upper end, at most 1.
        p_value: Of no difference, two-sided.
        error: Standard error of the mean: over the repeats, or of the number of examples where
            that is larger.
    """

    mean: float
    low: float
    high: float
    p_value: float
    error: float

    @property
    def sign(self) -> int:
        """+1 or -1 if the interval excludes zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)

    def __str__(self) -> str:
        return f"{100 * self.mean:+.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def standard_error(values: np.ndarray, least: float = 0.0) -> float:
    """The standard error of a mean of independent values, `max(sd / sqrt(n), least)`; NaN with one value.

    Example:

    >>> standard_error(np.array([1.0, 2.0, 3.0, 2.0]), least=0.5)
    0.5
    """
    n = len(values)
    return max(float(np.std(values, ddof=1)) / math.sqrt(n), least) if n > 1 else math.nan


def half_width(error: float, repeats: int, confidence: float = CONFIDENCE) -> float:
    """Half an interval of Student's t, `t((1 + confidence) / 2, repeats - 1) * error`; NaN with one repeat.

    Example:

    >>> round(half_width(1.0, repeats=5), 3)
    2.776
    """
    from scipy import stats

    return float(stats.t.ppf((1 + confidence) / 2, repeats - 1)) * error if repeats > 1 else math.nan


def tail(distance: float, error: float, repeats: int) -> float:
    """The probability of a mean at least this far above its expectation; NaN with one repeat.

    Example:

    >>> round(2 * tail(2.776, error=1.0, repeats=5), 3)
    0.05
    """
    from scipy import stats

    if repeats < 2:
        return math.nan
    if not error:
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance / error, repeats - 1))


def error_of_images(differences: np.ndarray) -> float:
    """The standard error that the number of examples alone gives a paired difference.

    After Agresti and Min (2005): half an example is added to each cell of the 2 x 2 table,
    so that the error is above zero even if both classifiers agree on every example. With
    `b` examples better, `c` worse and `n` in total, after the addition:
    `sqrt(b + c - (b - c)**2 / n) / n`.

    Args:
        differences: -1, 0 or 1 for each example.

    Example:

    >>> round(error_of_images(np.zeros(60)), 4)
    0.0161
    """
    n = len(differences) + 2
    better, worse = float(np.sum(differences > 0)) + 0.5, float(np.sum(differences < 0)) + 0.5
    return math.sqrt(better + worse - (better - worse) ** 2 / n) / n


def half_width_of_images(differences: np.ndarray, confidence: float = CONFIDENCE) -> float:
    """Half the interval that follows from the number of examples alone, see `error_of_images`.

    Example:

    >>> round(half_width_of_images(np.zeros(60)), 3)
    0.032
    """
    from scipy import stats

    return float(stats.norm.ppf((1 + confidence) / 2)) * error_of_images(differences)


def difference(repeats: Sequence[np.ndarray], confidence: float = CONFIDENCE) -> Difference:
    """The difference of two classifiers over repeats, each tested on examples of its own.

    The interval is Student's t over the repeats, or the normal one of the number of examples
    (`error_of_images`) where that is wider, clipped to [-1, 1]. The p-value is the larger of theirs.

    Args:
        repeats: For each repeat, right minus right for each example: -1, 0 or 1.
        confidence: Of the interval.

    Raises:
        InputError: Fewer than two repeats, or one without examples.

    Example:

    >>> print(difference([np.array([1, 0, 0, 0]), np.array([0, 0, 0, 0]), np.array([1, 1, 0, 0])]))
    +25.0 [-37.1, 87.1]
    """
    from scipy import stats

    check_between("confidence", confidence, 0.5, 1.0)
    if len(repeats) < 2 or not all(len(each) for each in repeats):
        raise fail(
            "repeats", "to have at least two elements, each with examples", [len(each) for each in repeats]
        )
    every, means = np.concatenate(repeats), np.array([np.mean(each) for each in repeats])
    mean, n = float(every.mean()), len(means)
    error, of_images = standard_error(means), error_of_images(every)
    half = max(half_width(error, n, confidence), half_width_of_images(every, confidence))
    p_value = 2 * max(tail(abs(mean), error, n), float(stats.norm.sf(abs(mean) / of_images)))
    low, high = max(-1.0, mean - half), min(1.0, mean + half)
    return Difference(mean, low, high, min(1.0, p_value), max(error, of_images))


def corrected(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """P values corrected for multiple comparisons: Holm, 1979, "A simple sequentially rejective test".

    The i-th smallest of m is multiplied by `m - i + 1`, is at most 1, and at least as large as
    the one before.

    Example:

    >>> corrected({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    found, highest = {}, 0.0
    for rank, key in enumerate(sorted(p_values, key=lambda each: p_values[each])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[key]))
        found[key] = highest
    return {key: found[key] for key in p_values}


def holm(
    repeats_of: Mapping[str, Sequence[np.ndarray]], confidence: float = CONFIDENCE
) -> dict[str, Difference]:
    """Several differences to one reference, with intervals widened by Holm's procedure.

    In the order of their p-values, the first of `m` gets confidence
    `1 - (1 - confidence) / m`, the second `1 - (1 - confidence) / (m - 1)` and so on, as
    long as intervals exclude zero; from the first that does not, all get its confidence.

    Args:
        repeats_of: By name, see `difference`.
        confidence: Of all intervals together.

    Example:

    >>> same = [np.zeros(9)] * 3
    >>> {name: str(each) for name, each in holm({"a": same, "b": same}).items()}
    {'a': '+0.0 [-7.7, 7.7]', 'b': '+0.0 [-7.7, 7.7]'}
    """
    order = sorted(repeats_of, key=lambda name: difference(repeats_of[name], confidence).p_value)
    found: dict[str, Difference] = {}
    left, holds = len(order), True
    for name in order:
        found[name] = difference(repeats_of[name], 1 - (1 - confidence) / left)
        holds = holds and found[name].sign != 0
        left -= int(holds and left > 1)
    return {name: found[name] for name in repeats_of}
