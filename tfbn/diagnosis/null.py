"""Tests whether differences exceed sampling noise, which is estimated from the run itself."""

import dataclasses
import functools
import math
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

SURE = 1e-6  # significance level of a single test
HALF_SURE = SURE**0.5  # significance level where two independent windows must both exceed it


@dataclasses.dataclass(frozen=True)
class Excess:
    """A difference against its null distribution.

    Attributes:
        effect: The squared difference minus that of noise, averaged over the channels: in
            variances for means, in squared nats for variances.
        ratio: The difference squared over that of noise.
        freedom: How many independent values are in the difference and in the noise; None: none that
            can be used.
    """

    effect: float
    ratio: float
    freedom: tuple[int, int] | None = None

    @functools.cached_property
    def probability(self) -> float:
        """The probability of a ratio this large by sampling alone; takes longer than the rest."""
        return 1.0 if self.freedom is None else _exceeded_by_f(self.ratio, *self.freedom)

    def exceeds(self, effect: float, probability: float = SURE) -> bool:
        """Whether the difference is large, and significant."""
        return bool(self.effect > effect and self.probability < probability)

    def significant(self, probability: float = SURE) -> float:
        """The effect, or 0 if it is not significant."""
        return self.effect if self.exceeds(0.0, probability) else 0.0


def excess(squared: np.ndarray, noise: np.ndarray, freedom: int, noise_freedom: int) -> list[Excess]:
    """Compares squared differences with squared noise, by the F distribution; all layers at once.

    The channels count as one observation, since those of a layer are correlated; so the
    probability is too large rather than too small.

    Args:
        squared: Squared differences, by layer and channel.
        noise: Their expected values under sampling alone, likewise.
        freedom: How many independent differences are in `squared`.
        noise_freedom: How many are in `noise`.

    Returns:
        One for each layer.

    Example:

    >>> found = excess(np.array([[9.0], [1.1]]), np.array([[0.5], [1.0]]), 15, 16)
    >>> [each.exceeds(0.01) for each in found]
    [True, False]
    """
    pairs = zip(squared.mean(-1).tolist(), noise.mean(-1).tolist(), strict=True)
    return [_of_averages(*pair, freedom, noise_freedom) for pair in pairs]


def _of_averages(difference: float, by_chance: float, freedom: int, noise_freedom: int) -> Excess:
    if not math.isfinite(difference + by_chance) or freedom < 1 or noise_freedom < 1:
        return Excess(0.0, 0.0)
    ratio = difference / by_chance if by_chance > 0 else np.inf if difference > 0 else 0.0
    return Excess(max(0.0, difference - by_chance), ratio, (freedom, noise_freedom))


def between_steps(values: np.ndarray, noise: np.ndarray) -> list[Excess]:
    """Tests whether values differ more between successive steps than by sampling; a trend does not count.

    Args:
        values: By step, layer, and channel.
        noise: Estimates of their squared errors, likewise.
    """
    looks = len(values)
    if looks < 2:
        return _nothing(values)
    squared = (np.diff(values, axis=0) ** 2).mean(0) / 2
    return excess(squared, noise.mean(0), looks - 1, looks)


def systematic(differences: np.ndarray) -> list[Excess]:
    """Tests whether differences, by step, layer, and channel, have the same sign in every step."""
    looks = len(differences)
    if looks < 2:
        return _nothing(differences)
    return excess(differences.mean(0) ** 2, differences.var(0, ddof=1) / looks, 1, looks - 1)


def between_windows(earlier: np.ndarray, later: np.ndarray) -> list[Excess]:
    """Whether values, by step, layer, and channel, are elsewhere on average in later steps: Welch's test.

    Example:

    >>> steps = np.linspace(0, 1, 8)[:, None, None]
    >>> [moved], [stayed] = between_windows(steps, steps + 5), between_windows(steps, steps)
    >>> moved.exceeds(1.0), stayed.exceeds(1.0)
    (True, False)
    """
    looks = min(len(earlier), len(later))
    if looks < 2:
        return _nothing(later)
    noise = earlier.var(0, ddof=1) / len(earlier) + later.var(0, ddof=1) / len(later)
    return excess((later.mean(0) - earlier.mean(0)) ** 2, noise, 1, looks - 1)


def _nothing(values: np.ndarray) -> list[Excess]:
    return [Excess(0.0, 0.0)] * values.shape[1]


def largest(found: Iterable[Excess], effect: float, probability: float = SURE) -> Excess | None:
    """The one with the largest effect of those that exceed; None if none does."""
    exceeding = [each for each in found if each.exceeds(effect, probability)]
    return max(exceeding, key=lambda each: each.effect, default=None)


def too_many_of_a_class(counts: np.ndarray) -> tuple[float, float]:
    """Tests whether the class mix differs between batches: Pearson's test of homogeneity.

    Args:
        counts: How often each class occurs, by batch.

    Returns:
        The effect and its p-value. The effect is Cramer's V squared, corrected for chance: 0 if each
        batch has the class mix of the whole, 1 if each batch has one class.

    Example:

    >>> effect, probability = too_many_of_a_class(np.array([[32, 0], [0, 32], [32, 0], [0, 32]]))
    >>> round(effect, 2), probability < SURE
    (0.98, True)
    """
    counts = counts[:, counts.sum(0) > 0]
    batches, classes = counts.shape
    if batches < 2 or classes < 2:
        return 0.0, 1.0
    total = counts.sum()
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / total
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    freedom = (batches - 1) * (classes - 1)
    effect = (chi2 - freedom) / (total * min(batches - 1, classes - 1))
    return float(effect), _exceeded_by_chi2(chi2, freedom)


# TensorFlow's functions, since SciPy is not among what a user of the doctor has to install.
def _exceeded_by_f(ratio: float, freedom: int, noise_freedom: int) -> float:
    """The probability that a ratio of the F distribution is larger."""
    share = 0.0 if np.isinf(ratio) else noise_freedom / (noise_freedom + freedom * ratio)
    halves = (np.float64(noise_freedom / 2), np.float64(freedom / 2))
    return float(tf.math.betainc(*halves, np.float64(share)))


def _exceeded_by_chi2(value: float, freedom: int) -> float:
    """The probability that a value of the chi-squared distribution is larger."""
    return float(tf.math.igammac(np.float64(freedom / 2), np.float64(value / 2)))
