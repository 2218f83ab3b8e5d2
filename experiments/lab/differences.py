"""Differences of two shares of images, paired by seed: interval, p values, and Holm's correction.

No interval here is narrower than the binomial noise of the test images: a few seeds that happen
to agree would otherwise claim more than their images can show.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Key = TypeVar("Key")


@dataclasses.dataclass(frozen=True)
class Difference:
    """A mean difference over seeds, in percentage points.

    Attributes:
        mean: The mean.
        error: Its standard error, at least that of the test images; NaN with one seed.
        seeds: How many seeds.
        agree: How many of them have the sign of the mean.
        images: Test images over all seeds.
    """

    mean: float
    error: float
    seeds: int
    agree: int
    images: int

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Student's interval: `mean ± t((1 + confidence) / 2, seeds - 1) * error`; NaN with one seed."""
        from scipy import stats

        if self.seeds < 2:
            return math.nan, math.nan
        half = float(stats.t.ppf((1 + confidence) / 2, self.seeds - 1)) * self.error
        return self.mean - half, self.mean + half

    def p_value(self) -> float:
        """Of the hypothesis that there is no difference, two-sided; NaN with one seed."""
        return 2 * self._tail(abs(self.mean))

    def p_beyond(self, margin: float) -> float:
        """Of the hypothesis that the difference is `margin` or more, either way: two one-sided tests."""
        return max(self._tail(margin - self.mean), self._tail(margin + self.mean))

    def text(self, digits: int = 1) -> str:
        """As `-4.2 [-7.4, -1.0]`, or without the interval where there is none.

        >>> Difference(-4.2, 1.0, seeds=1, agree=1, images=500).text()
        '-4.2 [one seed]'
        """
        low, high = self.interval()
        ends = "one seed" if math.isnan(low) else f"{low:.{digits}f}, {high:.{digits}f}"
        return f"{self.mean:+.{digits}f} [{ends}]"

    def _tail(self, distance: float) -> float:
        """The probability of a mean that lies at least so far above its expectation."""
        from scipy import stats

        if self.seeds < 2:
            return math.nan
        if not self.error:  # every image right in every run of both
            return 0.0 if distance > 0 else 1.0
        return float(stats.t.sf(distance / self.error, self.seeds - 1))


def difference(first: Sequence[float], second: Sequence[float], images: int) -> Difference:
    """The difference of two arms' accuracies, seed by seed.

    `error = max(sd / sqrt(k), 100 * sqrt((p(1 - p) + q(1 - q)) / (k * images)))` over k seeds, with
    the mean accuracies p and q. The seeds' test images must be disjoint.

    Args:
        first: Shares of images, one a seed.
        second: Those that are subtracted, of the same seeds.
        images: Test images of each seed.

    Example:

    >>> difference([0.9, 0.8], [0.7, 0.7], images=100).text()
    '+15.0 [-48.5, 78.5]'
    >>> difference([0.9, 0.9, 0.9, 0.9], [0.7, 0.7, 0.7, 0.7], images=100).text()
    '+20.0 [11.3, 28.7]'
    """
    p, q = np.asarray(first, np.float64), np.asarray(second, np.float64)
    changes = 100 * (p - q)
    k, mean = len(changes), float(changes.mean())
    noise = 100 * math.sqrt(sum(float(r.mean() * (1 - r.mean())) for r in (p, q)) / (k * images))
    spread = float(changes.std(ddof=1)) / math.sqrt(k) if k > 1 else math.nan
    agree = int((np.sign(changes) == np.sign(mean)).sum()) if mean else 0
    return Difference(mean, max(spread, noise) if k > 1 else math.nan, k, agree, k * images)


def difference_of_differences(first: Difference, second: Difference, changes: Sequence[float]) -> Difference:
    """How much larger a difference is in one condition than in another.

    Args:
        first: In the one.
        second: In the other.
        changes: First minus second, seed by seed, in points.

    Returns:
        The mean with `error = max(sd / sqrt(k), sqrt(first.error^2 + second.error^2))`, so that
        neither condition's noise is left out.

    Example:

    >>> one, other = (Difference(m, 1.0, seeds=2, agree=2, images=200) for m in (5.0, 2.0))
    >>> round(difference_of_differences(one, other, [3.0, 3.0]).error, 3)
    1.414
    """
    values = np.asarray(changes, np.float64)
    k, mean = len(values), float(values.mean())
    spread = float(values.std(ddof=1)) / math.sqrt(k) if k > 1 else math.nan
    agree = int((np.sign(values) == np.sign(mean)).sum()) if mean else 0
    error = max(spread, math.hypot(first.error, second.error)) if k > 1 else math.nan
    return Difference(mean, error, k, agree, min(first.images, second.images))


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """P values corrected for being several: Holm, 1979, "A simple sequentially rejective test".

    The i-th smallest of m is multiplied by `m - i + 1`, is at most 1, and at least as large as
    the one before.

    Example:

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    corrected, highest = {}, 0.0
    for rank, key in enumerate(sorted(p_values, key=lambda each: p_values[each])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[key]))
        corrected[key] = highest
    return {key: corrected[key] for key in p_values}
