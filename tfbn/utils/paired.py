"""Paired differences of two classifiers, with intervals that the number of test images allows."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from tfbn.utils.validation import check_between, fail

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference of two shares of correct answers, with its interval.

    Attributes:
        mean: The difference, in [-1, 1].
        low: Lower end of the interval, at least -1.
        high: Upper end, at most 1.
        p_value: Of no difference, two-sided.
    """

    mean: float
    low: float
    high: float
    p_value: float

    @property
    def sign(self) -> int:
        """+1 or -1 if the interval excludes zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)

    def __str__(self) -> str:
        return f"{100 * self.mean:+.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def binomial_half_width(differences: np.ndarray, confidence: float = CONFIDENCE) -> float:
    """Half the width that the number of examples alone gives an interval of a paired difference.

    Agresti and Min's (2005): half an example is added to each cell of the 2 x 2 table,
    so that it is above zero also where both classifiers agree on every example. With
    `b` examples better, `c` worse and `n` in all, after the addition:
    `z * sqrt(b + c - (b - c)**2 / n) / n`.

    Args:
        differences: -1, 0 or 1 for each example.
        confidence: Of the interval.

    Example:

    >>> round(binomial_half_width(np.zeros(60)), 3)
    0.032
    """
    from scipy import stats

    n = len(differences) + 2
    better, worse = float(np.sum(differences > 0)) + 0.5, float(np.sum(differences < 0)) + 0.5
    spread = math.sqrt(better + worse - (better - worse) ** 2 / n) / n
    return float(stats.norm.ppf((1 + confidence) / 2)) * spread


def difference(repeats: Sequence[np.ndarray], confidence: float = CONFIDENCE) -> Difference:
    """The difference of two classifiers over repeats, each tested on examples of its own.

    The interval is Student's t of the repeats' means, or that of the number of examples
    (`binomial_half_width`), whichever is wider, clipped to [-1, 1]. The p-value is the
    larger of the two that belong to them, the second by the exact sign test.

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
        raise fail("repeats", "to be two at least, each with examples", [len(each) for each in repeats])
    every, means = np.concatenate(repeats), np.array([np.mean(each) for each in repeats])
    mean, n = float(every.mean()), len(means)
    error = float(np.std(means, ddof=1)) / math.sqrt(n)
    of_repeats = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * error
    half = max(of_repeats, binomial_half_width(every, confidence))
    better, worse = int(np.sum(every > 0)), int(np.sum(every < 0))
    by_sign = float(stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0
    by_repeats = float(2 * stats.t.sf(abs(mean) / error, n - 1)) if error else float(not mean)
    return Difference(mean, max(-1.0, mean - half), min(1.0, mean + half), max(by_sign, by_repeats))


def holm(
    repeats_of: Mapping[str, Sequence[np.ndarray]], confidence: float = CONFIDENCE
) -> dict[str, Difference]:
    """Several differences to one reference, with intervals that are widened as Holm's procedure has it.

    In the order of their p-values, the first of `m` gets confidence
    `1 - (1 - confidence) / m`, the second `1 - (1 - confidence) / (m - 1)` and so on, as
    long as intervals exclude zero; from the first that does not, all get its confidence.

    Args:
        repeats_of: By name, see `difference`.
        confidence: That all of them hold together.

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
