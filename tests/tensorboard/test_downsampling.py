"""Which steps are shown."""

import numpy as np
import pytest

from tfbn.tensorboard_plugin.downsampling import chosen


@pytest.mark.parametrize("count", [2, 3, 7, 50, 1000])
def test_no_more_than_asked_for_evenly_and_with_both_ends(count, rng):
    steps = np.unique(rng.integers(0, 10_000, 800))
    kept = steps[chosen(steps, count)]
    assert len(kept) <= count
    assert len(kept) == len(steps) if count >= len(steps) else len(kept) >= 0.8 * count
    assert (kept[0], kept[-1]) == (steps[0], steps[-1])
    assert np.all(np.diff(kept) > 0)
    if count < len(steps):
        gap = (steps[-1] - steps[0]) / (count - 1)
        assert np.diff(kept).max() <= gap + 2 * np.diff(steps).max()


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, [0, 10, 20, 30]),
        (10, 20, [10, 20]),
        (11, 29, [20]),
        (None, 10, [0, 10]),
        (30, None, [30]),
        (31, None, []),
        (5, 6, []),
    ],
)
def test_both_ends_of_a_range_belong_to_it(first, last, expected):
    steps = np.array([0, 10, 20, 30])
    assert steps[chosen(steps, 100, first, last)].tolist() == expected


def test_of_nothing_nothing():
    assert chosen(np.zeros(0, np.int64), 5).tolist() == []
