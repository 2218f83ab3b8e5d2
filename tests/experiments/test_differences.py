"""Differences of accuracies against SciPy and NumPy: intervals, tests, and Holm's correction."""

import math

import numpy as np
import pytest
from scipy import stats

from experiments.lab.differences import difference, difference_of_differences
from experiments.lab.intervals import Interval
from tfbn.utils.paired import corrected


def test_where_seeds_spread_it_is_student_s(rng):
    first, second = rng.uniform(0.5, 0.9, (2, 6))
    found = difference(first, second, images=100_000)
    theirs = stats.ttest_rel(first, second)
    low, high = theirs.confidence_interval(0.95)
    np.testing.assert_allclose((found.low, found.high), (100 * low, 100 * high))
    assert found.p_value() == pytest.approx(theirs.pvalue)
    assert found.seeds == 6
    assert found.agree == (np.sign(first - second) == np.sign((first - second).mean())).sum()


def test_no_interval_is_narrower_than_the_noise_of_the_test_images():
    found = difference([0.8] * 5, [0.7] * 5, images=40)
    noise = 100 * math.sqrt((0.8 * 0.2 + 0.7 * 0.3) / 200)
    assert found.error == pytest.approx(noise)
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 4) * noise)
    assert difference([0.8] * 5, [0.7] * 5, images=4000).error == pytest.approx(noise / 10)


@pytest.mark.parametrize(("mean", "beyond"), [(0.0, False), (1.9, True), (-1.9, True), (5.0, True)])
def test_equivalence_is_two_one_sided_tests(mean, beyond):
    found = Interval(mean, error=0.5, seeds=8, agree=8)
    low, high = (mean + sign * stats.t.ppf(0.95, 7) * 0.5 for sign in (-1, 1))
    assert (found.p_beyond(2.0) < 0.05) == (low > -2 and high < 2) == (not beyond)


def test_one_seed_tells_nothing():
    found = difference([0.8], [0.7], images=50)
    assert all(math.isnan(v) for v in (found.low, found.high, found.p_value(), found.p_beyond(2.0)))
    assert found.text() == "+10.0 [one seed]"


def test_all_right_in_both_is_no_difference():
    found = difference([1.0] * 4, [1.0] * 4, images=50)
    assert found.mean == 0
    assert found.p_value() == 1.0
    assert found.low < 0 < found.high  # 200 images cannot show that none would ever be wrong


def test_one_image_better_in_every_seed_is_no_certainty():
    first = [(54 + i) / 60 for i in (1, 3, 2, 1)]
    found = difference(first, np.array(first) - 1 / 60)
    assert found.low < 0 < found.high
    assert found.error == pytest.approx(difference(first, np.array(first) - 1 / 60, images=60).error)


def test_no_interval_reaches_past_what_is_possible():
    found = difference([1.0, 0.2], [0.0, 0.1], images=50)
    assert (found.low, found.high) == (-100, 100)


def test_a_difference_of_differences_has_the_noise_of_both():
    one, other = (difference(p, q, 500) for p, q in (([0.8] * 4, [0.6] * 4), ([0.7] * 4, [0.65] * 4)))
    found = difference_of_differences(one, other, [15.0] * 4)
    assert found.mean == 15.0
    assert found.error == pytest.approx(math.hypot(one.error, other.error))
    spread = difference_of_differences(one, other, [-60.0, 90.0, -60.0, 90.0])
    assert spread.error == pytest.approx(np.std([-60, 90, -60, 90], ddof=1) / 2)


def test_holm_agrees_with_its_definition(rng):
    p_values = dict(enumerate(rng.uniform(0, 0.2, 7)))
    found = corrected(p_values)
    order = sorted(p_values, key=p_values.get)
    for level in (0.01, 0.05, 0.1, 0.3):
        rejected = set()
        for rank, key in enumerate(order):  # step down until one is not rejected
            if p_values[key] > level / (len(order) - rank):
                break
            rejected.add(key)
        assert {key for key, p in found.items() if p <= level} == rejected
    assert list(found) == list(p_values)
    assert corrected({}) == {}
