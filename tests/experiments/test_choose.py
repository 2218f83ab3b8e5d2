"""The recommendation follows from the numbers by the rule that its docstring states."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.choose import __main__ as choose
from experiments.choose.summary import disagreement, recommend
from experiments.lab import binary
from tests.experiments.small import TINY

ARMS = ["inference", "batch", "recalibrated"]


def results(**leads):
    """Five seeds whose level varies widely; each arm leads the first by so much, plus a little noise."""
    rng = np.random.default_rng(0)
    level = rng.normal(80, 5, 5)
    rows = [
        ("none", arm, seed, level[seed] + leads.get(arm, 0) + (arm != "inference") * rng.normal(0, 0.3))
        for arm in ARMS
        for seed in range(5)
    ]
    return pd.DataFrame(rows, columns=["condition", "arm", "seed", "test_accuracy"])


@pytest.mark.parametrize(
    ("leads", "said"),
    [
        ({"batch": 4, "recalibrated": 2}, "Choose batch "),
        ({"batch": 4, "recalibrated": 6}, "Choose recalibrated "),
        ({"batch": -4, "recalibrated": 2}, "Choose recalibrated "),
        ({"batch": 0, "recalibrated": 0}, "No difference that these runs can show: keep inference "),
        ({"batch": -4, "recalibrated": 0}, "No difference that these runs can show: keep inference "),
        ({"batch": -4, "recalibrated": -2}, "All others are worse: keep inference "),
    ],
)
def test_each_verdict(leads, said):
    assert recommend(results(**leads), "none", ARMS).startswith(said)


def test_short_and_converged_that_disagree_are_named():
    frame = results(batch=4)
    same = frame.assign(converged_accuracy=frame.test_accuracy)
    assert disagreement(same, "none", ARMS) == []
    apart = frame.assign(converged_accuracy=frame.test_accuracy - 10 * (frame.arm == "batch"))
    (said,) = disagreement(apart, "none", ARMS)
    assert "batch is first after the short budget" in said


def test_one_seed_recommends_nothing():
    frame = results(batch=10)
    assert recommend(frame[frame.seed == 0], "none", ARMS).startswith(
        "No difference that these runs can show"
    )


@pytest.mark.long
def test_it_runs(tmp_path, capsys):
    values = {f.name: getattr(TINY, f.name) for f in dataclasses.fields(choose.Config) if f.name != "arms"}
    config = choose.Config(
        **values | {"work_dir": str(tmp_path), "arms": ("inference", "batch"), "shifts": ("none",)}
    )
    binary.answer(choose.EXPERIMENT, config)
    said = capsys.readouterr().out
    assert "Choose batch" in said or "keep inference" in said
