"""Every benchmark runs, in small, and what it finds is written down; how fast things are is not tested."""

import json
import math

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import results
from benchmarks.common import Way, compare, interleaved, row, run_benchmark

QUICK = ("accuracy", "frozen_prefix", "recorder")
NAMES = [pytest.param(n, marks=[] if n in QUICK else pytest.mark.long) for n in command.BENCHMARKS]


@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name, tmp_path):
    rows = run_benchmark(name, quick=True)
    assert rows
    for each in rows:
        assert math.isfinite(each.ratio)
        assert each.ratio > 0
    results.update(tmp_path, name, rows, results.machine(), command.BENCHMARKS)
    assert rows[0].what in (tmp_path / "results.md").read_text()


def test_ways_take_turns_and_are_compared_round_by_round():
    order = []
    seconds = interleaved({n: lambda n=n: order.append(n) for n in "ab"}, rounds=3, warm_up=1)
    assert "".join(order) == "ab" + "ba" + "ab" + "ba"
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}
    rows = compare(
        "it", Way("a", lambda: None), Way("b", lambda: None, 0.5), Way("c", lambda: None), rounds=2
    )
    assert [(r.what, r.baseline, r.ours, r.target, r.rounds) for r in rows] == [
        ("it", "a", "b", 0.5, 2),
        ("it", "a", "c", None, 2),
    ]


def test_the_ratio_is_the_median_over_rounds_not_the_ratio_of_medians():
    measured = row("it", "a", "b", ([1.0, 2.0, 4.0], [3.0, 1.0, 4.0]), target=1.0)
    assert measured.ratio == 1.0
    assert (measured.baseline_value, measured.value) == (2000.0, 3000.0)
    np.testing.assert_allclose(measured.spread, np.subtract(*np.quantile([3, 0.5, 1], [0.75, 0.25])))


def test_results_of_other_benchmarks_stay_and_misses_are_told(tmp_path):
    fast, slow = (row(w, "stock", "ours", ([1.0], [r]), target=0.9) for w, r in (("f", 0.5), ("s", 2.0)))
    for name, found in (("layer", slow), ("modes", slow), ("layer", fast)):
        results.update(tmp_path, name, [found], results.machine(), ["modes", "layer"])
    stored = json.loads((tmp_path / "results.json").read_text())
    assert list(stored) == ["modes", "layer"]
    assert {"keras", "tensorflow", "machine", "date", "load before"} <= stored["layer"]["with"].keys()
    lines = (tmp_path / "results.md").read_text().splitlines()
    assert [line for line in lines if line.startswith(("| f", "| s"))] == [
        "| s | stock | ours | 2.000 ± 0.000 | 0.9 (missed) | 1000 -> 2000 ms |",
        "| f | stock | ours | 0.500 ± 0.000 | 0.9 | 1000 -> 500 ms |",
    ]
