"""Differences of two arms, paired by seed.

No interval of accuracies is narrower than the binomial noise of the test images: a few seeds
that happen to agree would otherwise claim more than their images can show.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .intervals import Interval, interval

if TYPE_CHECKING:
    import pandas as pd

POINTS = (-100.0, 100.0)  # the range of a difference of two percentages
MOST_IMAGES = 10_000  # that `fewest_images` looks for


def paired(results: "pd.DataFrame", metric: str, condition: str, arm: str, reference: str) -> Interval:
    """The difference of two arms under one condition, seed by seed.

    Args:
        results: One row for each condition, arm and seed.
        metric: The column to compare. One with "accuracy" in its name is in percent of the
            test images, see `points`.
        condition: The condition that both ran under.
        arm: The arm of interest.
        reference: The arm that is subtracted.

    Returns:
        The interval of `arm - reference` over the seeds that both have.
    """
    part = results[results.condition == condition].set_index(["arm", "seed"])[metric]
    first, second = part[arm], part[reference]
    if "accuracy" not in metric:
        return interval((first - second).dropna())
    images = int(results.test_images.min()) if "test_images" in results else None
    return points(first, second, images)


def points(first: "pd.Series", second: "pd.Series", images: int | None = None) -> Interval:
    """The difference of two accuracies in percent, of the same seeds, in percentage points.

    Args:
        first: Percentages, one a seed, with the seeds as index.
        second: Those that are subtracted; seeds that only one of the two has are left out.
        images: Test images of each seed; None: the fewest that give these percentages.
    """
    first, second = first.dropna().align(second.dropna(), join="inner")
    return difference(first / 100, second / 100, images)


def percentage(values: "pd.Series") -> Interval:
    """The mean of accuracies in percent, one per seed, with at least the error of the test images."""
    n = len(values) * fewest_images(values.to_numpy() / 100)
    noise = 100 * binomial_error(float(values.mean()) / 100, n)
    return interval(values, noise=noise, bounds=(0.0, 100.0))


def difference(first: Any, second: Any, images: int | None = None) -> Interval:
    """The difference of two arms' accuracies, seed by seed, in percentage points.

    `error = max(sd / sqrt(k), 100 * sqrt((p(1 - p) + q(1 - q)) / n))` over k seeds, with the mean
    accuracies p and q of `n = k * images` test images. Where every image is right, or none, one
    in n + 2 counts as wrong, or right.

    Args:
        first: Shares of images, one a seed.
        second: Those that are subtracted, of the same seeds.
        images: Test images of each seed; None: the fewest that give these shares.

    Example:

    >>> difference([0.9, 0.8], [0.7, 0.7], images=100).text()
    '+15.0 [-48.5, 78.5]'
    >>> difference([0.9, 0.9, 0.9, 0.9], [0.7, 0.7, 0.7, 0.7], images=100).text()
    '+20.0 [11.3, 28.7]'
    """
    shares = [np.asarray(each, np.float64) for each in (first, second)]
    n = len(shares[0]) * (images or fewest_images(np.concatenate(shares)))
    noise = 100 * math.hypot(*(binomial_error(float(each.mean()), n) for each in shares))
    changes = first - second if hasattr(first, "iloc") else shares[0] - shares[1]
    return interval(100 * changes, noise=noise, bounds=POINTS)


def binomial_error(share: float, images: int) -> float:
    """The standard error of a share of images, `sqrt(p(1 - p) / n)` with p in [1, n + 1] / (n + 2)."""
    p = min(max(share, 1 / (images + 2)), 1 - 1 / (images + 2))
    return math.sqrt(p * (1 - p) / images)


def fewest_images(shares: np.ndarray) -> int:
    """The fewest images of which all these can be shares: as few as a test set can have been.

    Example:

    >>> fewest_images(np.array([54 / 60, 55 / 60])), fewest_images(np.array([0.12345678, 0.87654, 0.3141592]))
    (60, 10000)
    """
    counts = np.arange(1, MOST_IMAGES + 1)[:, None] * np.unique(shares)
    off = np.abs(counts - np.round(counts)).max(axis=1)
    fits = off <= 2e-7 * np.arange(1, MOST_IMAGES + 1)  # accuracies are float32
    return int(np.argmax(fits)) + 1 if fits.any() else MOST_IMAGES


def difference_of_differences(first: Interval, second: Interval, changes: "Sequence[float]") -> Interval:
    """The difference between the differences under two conditions.

    Args:
        first: The difference under one condition.
        second: Under the other.
        changes: First minus second, seed by seed.

    Returns:
        The mean with `error = max(sd / sqrt(k), sqrt(first.error^2 + second.error^2))`, so that
        neither condition's noise is left out.

    Example:

    >>> one, other = (Interval(m, 1.0, seeds=2, agree=2) for m in (5.0, 2.0))
    >>> round(difference_of_differences(one, other, [3.0, 3.0]).error, 3)
    1.414
    """
    bounds = first.bounds[0] - second.bounds[1], first.bounds[1] - second.bounds[0]
    return interval(changes, noise=math.hypot(first.error, second.error), bounds=bounds)
