"""Means over seeds with an interval, for every table, sentence and verdict."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfbn.utils.paired import half_width, standard_error, tail

if TYPE_CHECKING:
    import pandas as pd

LEAST_SEEDS = 4  # fewer decide nothing
EVERYTHING = (-math.inf, math.inf)


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % interval, `mean ± t(0.975, seeds - 1) * error`, within bounds.

    Attributes:
        mean: The mean.
        error: Its standard error; NaN with one seed.
        seeds: How many seeds.
        agree: How many seeds have the sign of the mean. Zeros agree with no sign.
        bounds: The least and the greatest value that are possible.
        by_seed: The averaged values: pairs of a seed and its value.
    """

    mean: float
    error: float
    seeds: int
    agree: int
    bounds: tuple[float, float] = EVERYTHING
    by_seed: tuple[tuple[Any, float], ...] = dataclasses.field(default=(), repr=False, compare=False)

    @property
    def low(self) -> float:
        """Lower end of the interval; NaN with one seed."""
        return self._clipped(self.mean - self._half())

    @property
    def high(self) -> float:
        """Upper end; NaN with one seed."""
        return self._clipped(self.mean + self._half())

    @property
    def sign(self) -> int:
        """+1 or -1 if the interval excludes zero, else 0, as with fewer than `LEAST_SEEDS` seeds."""
        if self.seeds < LEAST_SEEDS:
            return 0
        return int(self.low > 0) - int(self.high < 0)

    def p_value(self) -> float:
        """The two-sided p value of the hypothesis that the mean is zero; NaN with one seed."""
        return 2 * self._tail(abs(self.mean))

    def p_beyond(self, margin: float) -> float:
        """The p value of a mean that is `margin` or more from zero: two one-sided tests."""
        return max(self._tail(margin - self.mean), self._tail(margin + self.mean))

    def negative(self) -> "Interval":
        """The interval of the negated difference."""
        return self._moved(-1.0, 0.0)

    def plus(self, amount: float) -> "Interval":
        """The interval of the mean plus a constant."""
        return self._moved(1.0, amount)

    def text(self, digits: int = 1, signed: bool = True) -> str:
        """Formatted as `+4.2 [1.0, 7.4]`, or without the interval if there is none."""
        mean = f"{self.mean:{'+' if signed else ''}.{digits}f}"
        if math.isnan(self.error):
            return f"{mean} [one seed]"
        return f"{mean} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def _half(self) -> float:
        return half_width(self.error, self.seeds)

    def _clipped(self, end: float) -> float:
        return end if math.isnan(end) else min(max(end, self.bounds[0]), self.bounds[1])

    def _moved(self, factor: float, amount: float) -> "Interval":
        bounds = sorted(factor * bound + amount for bound in self.bounds)
        return dataclasses.replace(
            self,
            mean=factor * self.mean + amount,
            bounds=(bounds[0], bounds[1]),
            by_seed=tuple((seed, factor * value + amount) for seed, value in self.by_seed),
        )

    def _tail(self, distance: float) -> float:
        """The probability of a mean at least this far above its expectation."""
        return tail(distance, self.error, self.seeds)


def interval(
    values: "Sequence[float] | np.ndarray | pd.Series",
    noise: float = 0.0,
    bounds: tuple[float, float] = EVERYTHING,
) -> Interval:
    """The mean with `error = max(sd / sqrt(n), noise)`.

    Args:
        values: One finite value for each seed; the index of a Series names the seeds.
        noise: A lower bound for the standard error, such as that of the test images.
        bounds: The least and the greatest value that are possible.

    Example:

    >>> interval(np.array([1.0, 2.0, 3.0])).text()
    '+2.0 [-0.5, 4.5]'
    >>> interval(np.array([98.0, 90.0]), bounds=(0, 100)).text(signed=False)
    '94.0 [43.2, 100.0]'
    """
    seeds = getattr(values, "index", None) if hasattr(values, "iloc") else None
    values = np.asarray(values, np.float64)
    n, mean = len(values), float(np.mean(values))
    agree = int(np.sum(np.sign(values) == np.sign(mean))) if mean else 0
    error = standard_error(values, noise)
    by_seed = tuple(zip(range(n) if seeds is None else seeds, values.tolist(), strict=True))
    return Interval(mean, error, n, agree, bounds, by_seed)


def mean_and_sd(values: "pd.Series", digits: int = 1) -> str:
    """As `91.5 ± 2.0`: the mean and the standard deviation over seeds."""
    spread = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"
