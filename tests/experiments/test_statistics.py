"""Intervals against scipy and by simulation, and the sentences made from them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.lab import sentences
from experiments.lab.differences import paired
from experiments.lab.intervals import interval, mean_and_sd


def test_interval_equals_scipys_paired_test(rng):
    a, b = rng.normal(1, 1, 8), rng.normal(0, 1, 8)
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    found = interval(a - b)
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high])
    assert found.agree == np.sum(np.sign(a - b) == np.sign(np.mean(a - b)))


def test_interval_covers_the_truth_about_95_percent_of_the_time(rng):
    covered = [i.low <= 3 <= i.high for i in (interval(rng.normal(3, 2, 5)) for _ in range(2000))]
    assert 0.93 < np.mean(covered) < 0.97


def test_differences_are_paired_by_seed_whatever_the_order(rng):
    seeds = np.arange(4)
    level = 100 * rng.normal(size=4)  # between seeds the level varies far more than the arms differ
    rows = [("none", arm, s, level[s] + d) for arm, d in (("a", 0.0), ("b", 2.0)) for s in seeds]
    frame = pd.DataFrame(rows, columns=["condition", "arm", "seed", "x"]).sample(frac=1, random_state=1)
    found = paired(frame, "x", "none", "b", "a")
    np.testing.assert_allclose([found.mean, found.low, found.high], 2)
    assert (found.agree, found.seeds, found.sign) == (4, 4, 1)


@pytest.mark.parametrize(
    ("values", "sign", "text"),
    [
        ([1.0, 1.1, 0.9, 1.0], 1, "higher by 1.0 [0.9, 1.1] points (4 of 4 seeds agree)"),
        ([-1.0, -1.1, -0.9, -1.0], -1, "lower by 1.0 [0.9, 1.1] points (4 of 4 seeds agree)"),
        (
            [1.0, 1.1, 0.9],
            0,
            "no difference that these runs can show, +1.0 [0.8, 1.2] points (3 of 3 seeds agree)",
        ),
        (
            [1.0, -1.0, 0.5],
            0,
            "no difference that these runs can show, +0.2 [-2.4, 2.8] points (2 of 3 seeds agree)",
        ),
        (
            [0.0, 0.0],
            0,
            "no difference that these runs can show, +0.0 [0.0, 0.0] points (0 of 2 seeds agree)",
        ),
        ([2.0], 0, "no difference that these runs can show, +2.0 [one seed] points (1 of 1 seed agrees)"),
    ],
)
def test_verdicts(values, sign, text):
    found = interval(np.array(values))
    assert found.sign == sign
    assert sentences.difference(found) == text


def test_mean_and_sd():
    assert mean_and_sd(pd.Series([1.0, 3.0])) == "2.0 ± 1.4"
    assert mean_and_sd(pd.Series([1.0])) == "1.0"
