"""Healthy batches whose variances have a long tail are no lag; batches that move are."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from tfbn.callbacks.step_statistics import LOOKS
from tfbn.diagnosis import null
from tfbn.diagnosis.batch_checks import lagging
from tfbn.diagnosis.batch_measurements import Looks, Use

CHANNELS, EXAMPLES = 8, 16


def looks_at(means, variances, momentum=0.9, start=(0.0, 1.0)):
    """What a layer shows whose batches have these moments, by step and channel."""
    layer = SimpleNamespace(momentum=momentum, epsilon=1e-3)
    use = Use(SimpleNamespace(layer=layer, path="bn"), True, True, CHANNELS, 1, 0)
    moving, rows = np.tile(np.array(start)[:, None], CHANNELS), []
    for step, (mean, variance) in enumerate(zip(means, variances, strict=True), 1):
        if step in LOOKS:
            rows.append(np.stack([mean, variance, mean, variance, *moving]))
        moving = momentum * moving + (1 - momentum) * np.stack([mean, variance])
    steps, values = np.array(LOOKS), np.array(rows)[:, None]
    examples = np.full(len(steps), EXAMPLES)
    return Looks(steps, examples, EXAMPLES, (use,), values, None, None, 1)


def alarms(make, runs=200):
    return sum(bool(list(lagging(make(np.random.default_rng(seed))))) for seed in range(runs))


def rare(rng):
    """In one batch of ten a few examples have values a hundred times larger."""
    large = np.where(rng.random((50, 1)) < 0.1, 1e4, 1.0)
    return looks_at(rng.normal(size=(50, CHANNELS)) / 4, large * rng.gamma(8, 1 / 8, (50, CHANNELS)))


def once(rng):
    """One batch has them, early or late."""
    large = np.where(np.arange(50) == rng.integers(50), 1e5, 1.0)[:, None]
    return looks_at(rng.normal(size=(50, CHANNELS)) / 4, large * rng.gamma(8, 1 / 8, (50, CHANNELS)))


def log_normal(rng):
    variances = np.exp(rng.normal(size=(50, 1)) * 2.5 + 0.3 * rng.normal(size=(50, CHANNELS)))
    return looks_at(rng.normal(size=(50, CHANNELS)), variances)


def dead_but_for_some(rng):
    """Channels that are constant in most batches."""
    alive = rng.random((50, CHANNELS)) < 0.15
    return looks_at(np.where(alive, 0.5, 0.0), np.where(alive, rng.gamma(2, 5, (50, CHANNELS)), 0.0))


@pytest.mark.parametrize("make", [rare, once, log_normal, dead_but_for_some])
def test_a_long_tail_is_no_lag(make):
    assert alarms(make) == 0


@pytest.mark.parametrize("momentum", [0.9, 0.99])
@pytest.mark.parametrize("start", [(0.0, 1.0), (3.0, 50.0)])
def test_statistics_on_their_way_are_no_lag(momentum, start):
    def still(rng):
        noise = rng.normal(size=(50, CHANNELS)) / 4, rng.gamma(8, 1 / 8, (50, CHANNELS))
        return looks_at(2 + noise[0], 4 * noise[1], momentum, start)

    assert alarms(still, runs=50) == 0


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("of", ["mean", "variance"])
def test_batches_that_move_leave_slow_statistics_behind(direction, of):
    def moving(rng):
        grown = direction * np.arange(50)[:, None] / 4
        means = rng.normal(size=(50, CHANNELS)) / 4 + (grown if of == "mean" else 0)
        variances = rng.gamma(8, 1 / 8, (50, CHANNELS)) * np.exp(grown if of == "variance" else 0)
        return looks_at(means, variances, 0.99)

    assert alarms(moving, runs=50) == 50


def test_windows_of_one_distribution_differ_rarely():
    rng = np.random.default_rng(0)
    found = null.between_windows(*rng.normal(size=(2, 8, 2000, 1)))
    assert np.mean([each.probability < 0.01 for each in found]) < 0.02


@pytest.mark.parametrize("freedom", [1, 7, 400])
@pytest.mark.parametrize("noise_freedom", [1, 16, 5000])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0, 4.0, 60.0, np.inf])
def test_probabilities_are_those_of_f(ratio, freedom, noise_freedom):
    """Where they decide, that is above a millionth of `SURE`."""
    noise = np.array([[0.0 if np.isinf(ratio) else 2.0]])
    squared = np.array([[1.0]]) if np.isinf(ratio) else ratio * noise
    expected = stats.f.sf(ratio, freedom, noise_freedom)
    [found] = null.excess(squared, noise, freedom, noise_freedom)
    assert found.probability == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_probability_of_a_class_mix_is_that_of_scipy(rng):
    counts = rng.multinomial(32, [0.2, 0.3, 0.5], size=20)
    counts[0] = [32, 0, 0]
    expected = stats.chi2_contingency(counts, correction=False)[1]
    assert null.too_many_of_a_class(counts)[1] == pytest.approx(expected, rel=1e-6)
