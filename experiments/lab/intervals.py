"""Differences between arms, paired by seed, with intervals."""

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % interval.

    Attributes:
        mean: The mean.
        low: Lower end of the interval; NaN with one seed.
        high: Upper end; NaN with one seed.
        seeds: How many seeds.
        agree: How many seeds have the sign of the mean. Zeros agree with no sign.
    """

    mean: float
    low: float
    high: float
    seeds: int
    agree: int

    @property
    def sign(self) -> int:
        """+1 or -1 if the interval excludes zero, else 0: these runs cannot tell."""
        if self.low > 0:
            return 1
        return -1 if self.high < 0 else 0

    def negative(self) -> "Interval":
        """The interval of the difference the other way round."""
        return dataclasses.replace(self, mean=-self.mean, low=-self.high, high=-self.low)

    def text(self, digits: int = 1, signed: bool = True) -> str:
        """As `+4.2 [1.0, 7.4]`, or without the interval where there is none."""
        mean = f"{self.mean:{'+' if signed else ''}.{digits}f}"
        if math.isnan(self.low):
            return f"{mean} [one seed]"
        return f"{mean} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def interval(values: "np.ndarray | pd.Series", confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of the mean: `mean ± t((1 + confidence) / 2, n-1) * sd / sqrt(n)`.

    Args:
        values: One finite value for each seed.
        confidence: Of the interval.

    Example:

    >>> interval(np.array([1.0, 2.0, 3.0])).text()
    '+2.0 [-0.5, 4.5]'
    """
    from scipy import stats

    values = np.asarray(values, np.float64)
    n, mean = len(values), float(np.mean(values))
    agree = int(np.sum(np.sign(values) == np.sign(mean))) if mean else 0
    if n < 2:
        return Interval(mean, math.nan, math.nan, n, agree)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n, agree)


def mean_and_sd(values: "pd.Series", digits: int = 1) -> str:
    """As `91.5 ± 2.0`: the mean and the standard deviation over seeds."""
    spread = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def paired(
    results: "pd.DataFrame",
    metric: str,
    condition: str,
    arm: str,
    reference: str,
    confidence: float = CONFIDENCE,
) -> Interval:
    """The difference of two arms under one condition, seed by seed.

    Args:
        results: One row for each condition, arm and seed.
        metric: The column to compare.
        condition: The condition that both ran under.
        arm: The arm of interest.
        reference: The arm that is subtracted.
        confidence: Of the interval.

    Returns:
        The interval of `arm - reference` over the seeds that both have.
    """
    part = results[results.condition == condition].set_index(["arm", "seed"])[metric]
    return interval((part[arm] - part[reference]).dropna(), confidence)
