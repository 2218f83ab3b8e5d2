"""Every benchmark runs, in small, and what it finds is written down; how fast things are is not tested."""

import dataclasses
import json
import math

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import common, operations, readme, results
from benchmarks.common import WITHOUT_ONEDNN, Way, compare, interleaved, row, run_benchmark

QUICK = ("accuracy", "frozen_prefix", "recorder", "layer")
# The same modules with oneDNN off need processes of their own.
NAMES = [n for n in command.BENCHMARKS if not n.endswith(WITHOUT_ONEDNN)]
NAMES = [pytest.param(n, marks=[] if n in QUICK else pytest.mark.long) for n in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name, tmp_path):
    rows = run_benchmark(name, quick=True)
    if not rows and name in ("keras_hub", "recorder_backends", "accelerator"):
        pytest.skip("needs keras_hub, or the environment of `make test-backends`")
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


def test_the_own_cost_is_what_is_added_to_the_floor(monkeypatch):
    seconds = {"0": [10.0, 12.0, 30.0], "1": [8.0, 9.0, 20.0], "2": [6.0, 6.0, 10.0]}
    monkeypatch.setattr(common, "interleaved", lambda *_: {k: np.array(v) for k, v in seconds.items()})
    ours, floor = compare(
        "it", Way("stock", int), Way("ours", int, 0.9, 0.4), rounds=3, floor=Way("none", int)
    )
    assert (ours.ratio, ours.target) == (0.75, 0.9)
    assert (ours.own, ours.own_target) == (0.5, 0.4)  # of (2 / 4, 3 / 6, 10 / 20)
    assert (floor.ours, floor.ratio, floor.own) == ("none", 0.5, None)
    line = results._line(ours)
    assert line.startswith("| it | stock | ours | 0.750 ± 0.067 | 0.9 | 0.500 ± 0.000 | 0.4 (missed) |")


def test_the_table_of_the_readme_is_made_of_the_results(tmp_path):
    for name, ratio, own in (("layer", 0.75, 0.3), ("layer_onednn_off", 0.95, 0.8)):
        rows = [
            dataclasses.replace(
                row(f"{net}, train step", "stock", way, ([1.0], [ratio])), own=own, own_spread=0.1
            )
            for net in ("ResNet-20, 32x32", "ResNet-56, 32x32")
            for way in (readme.TFBN, readme.BARE)
        ]
        results.update(tmp_path, name, rows, results.machine(), command.BENCHMARKS)
    lines = readme.table(json.loads((tmp_path / "results.json").read_text())).splitlines()
    [own] = [line for line in lines if "own cost in it" in line]
    assert own.endswith("| 0.30 / 0.30 | 0.80 / 0.80 |")
    [step] = [line for line in lines if line.startswith("| train step")]
    assert step.endswith("| 0.75 / 0.75 | 0.95 / 0.95 |")
    assert sum(line.endswith("| not measured |  |") for line in lines) == len(readme.LINES) - 3
    text = readme.README.read_text()
    assert text.index(readme.BEGIN) < text.index("| what | ratio") < text.index(readme.END)


def test_resuming_leaves_out_what_was_measured_today_with_the_same(tmp_path):
    about = results.machine()
    assert not results.is_current(tmp_path, "layer", about)
    results.update(tmp_path, "layer", [row("f", "stock", "ours", ([1.0], [1.0]))], about, ["layer"])
    assert results.is_current(tmp_path, "layer", {**about, "load before": 99})
    assert not results.is_current(tmp_path, "layer", {**about, "date": "2020-01-01"})
    assert not results.is_current(tmp_path, "layer", results.machine(onednn=False))
    assert not results.is_current(tmp_path, "modes", about)


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
    assert {"keras", "tensorflow", "machine", "date", "load before", "oneDNN", "instruction sets"} <= stored[
        "layer"
    ]["with"].keys()
    lines = (tmp_path / "results.md").read_text().splitlines()
    assert [line for line in lines if line.startswith(("| f", "| s"))] == [
        "| s | stock | ours | 2.000 ± 0.000 | 0.9 (missed) |  |  | 1000 -> 2000 ms |",
        "| f | stock | ours | 0.500 ± 0.000 | 0.9 |  |  | 1000 -> 500 ms |",
    ]


def test_the_kinds_of_operations_of_a_step_and_their_table():
    import tensorflow as tf

    x = tf.ones((40, 40))
    step = tf.function(lambda: tf.linalg.matmul(x, x) + tf.linalg.matmul(x, 2 * x))
    step()
    kinds = operations.by_kind(step, steps=3)
    assert any("MatMul" in kind for kind in kinds)
    assert all(milliseconds > 0 for milliseconds in kinds.values())
    table = operations.table({"stock": {"Mul": 2.0, "Sub": 0.1}, "tfbn": {"Mul": 0.04, "Add": 5.0}})
    assert table.splitlines()[2:] == [
        "| Add | 0.0 | 5.0 |",
        "| Mul | 2.0 | 0.0 |",
        "| others | 0.1 | 0.0 |",
        "| together | 2.1 | 5.0 |",
    ]
