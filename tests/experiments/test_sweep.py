"""A grid of options, run as the experiment would run at each point."""

import dataclasses
import sys
import types

import pandas as pd
import pytest

from experiments.lab import binary, catalog, grids, plan
from experiments.sweep import __main__ as sweep
from tests.experiments import small
from tests.experiments.test_runner import run as run_small
from tfbn.utils.validation import InputError


@pytest.fixture(autouse=True)
def _listed(monkeypatch):
    """The small experiment, as if it were a binary."""
    module = types.ModuleType("experiments.small.__main__")
    module.EXPERIMENT = small.EXPERIMENT
    monkeypatch.setitem(sys.modules, "experiments.small", types.ModuleType("experiments.small"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    names = catalog.names()
    monkeypatch.setattr(catalog, "names", lambda: (*names, "small"))


def config(tmp_path, **options):
    options = {"experiment": "small", "grid": ("size=3,5", "arms=a,b"), "seeds": 2, "workers": 0} | options
    return sweep.Config(work_dir=str(tmp_path / "work"), **options)


def test_each_point_equals_the_experiment_alone(tmp_path, capsys):
    _, path = binary.answer(sweep.EXPERIMENT, config(tmp_path))
    results = pd.read_parquet(path.parent / "results.parquet").set_index(["condition", "arm", "seed"])
    assert len(results) == 2 * 2 * 2
    for size in (3, 5):
        alone = run_small(small.Config(seeds=2, workers=0, size=size), tmp_path / f"alone{size}")
        for row in alone.itertuples():
            point = f"size={size},arms={row.arm},none"
            assert results.loc[(point, row.arm, row.seed)].value == row.value
    assert "value over the grid" in path.read_text()
    assert "size=5,arms=b,none" in capsys.readouterr().out


def test_what_is_set_holds_at_every_point(tmp_path):
    points = config(tmp_path, grid=("arms=a,b",), set=("size=7",)).points()
    assert {label: (point.size, point.arms) for label, point in points.items()} == {
        "arms=a": (7, ("a",)),
        "arms=b": (7, ("b",)),
    }


def test_findings_tell_where_arms_differ(tmp_path):
    summary, _ = binary.answer(sweep.EXPERIMENT, config(tmp_path, grid=("size=3,5",), seeds=4))
    assert any("b against a: higher at 2 and lower at 0 of 2 points" in said for said in summary.findings)


def test_dry_run_counts_and_estimates(tmp_path):
    wanted = config(tmp_path, seeds=1)
    assert "4 runs" in plan.describe(sweep.EXPERIMENT, wanted)
    assert "not known before" in plan.describe(sweep.EXPERIMENT, wanted)
    assert not (tmp_path / "work").exists()
    binary.answer(sweep.EXPERIMENT, wanted)
    told = plan.describe(sweep.EXPERIMENT, dataclasses.replace(wanted, seeds=3))
    assert "stored: 4, to do: 8" in told
    assert "about 0.0 minutes" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"experiment": "smal"}, "did you mean small"),
        ({"experiment": "sweep"}, "to be another one"),
        ({"experiment": "claims"}, "to be one with runs of its own. Received: experiment='claims'"),
        ({"grid": ()}, "at least one option"),
        ({"grid": ("size",)}, "an option and its values, such as momentum=0.9,0.99. Received: grid='size'"),
        ({"grid": ("size=",)}, "an option and its values"),
        ({"grid": ("siez=3,4",)}, "did you mean size"),
        ({"grid": ("size=3,x",)}, "Expected `size` to be of type int. Received: size='x'"),
        ({"grid": ("size=3,3",)}, "each value once"),
        ({"grid": ("size=3", "size=4")}, "each option once"),
        ({"grid": ("size=0,1",)}, "Expected `size` to be a whole number of at least 1. Received: size=0"),
        ({"grid": ("arms=a,c",)}, "Expected `arms` to be one of"),
        ({"grid": ("seeds=1,2",)}, "Expected seeds as a flag of the sweep itself"),
        ({"set": ("work_dir=x",)}, "Expected work_dir as a flag of the sweep itself"),
        ({"set": ("dry_run=maybe",)}, "dry_run"),
    ],
)
def test_grids_that_make_no_sense(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        binary.answer(sweep.EXPERIMENT, config(tmp_path, **options))
    assert not (tmp_path / "work").exists()


def test_values_have_the_type_of_their_option():
    set_to = grids.with_options(small.Config(), ["size=4", "open_report=true", "arms=b,a", "work_dir=x"])
    assert (set_to.size, set_to.open_report, set_to.arms, set_to.work_dir) == (4, True, ("b", "a"), "x")
