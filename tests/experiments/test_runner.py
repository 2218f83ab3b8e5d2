"""Runs are stored whole, continued, and kept apart by configuration."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from experiments.lab import runner
from experiments.lab.dispatch import FailedRunsError
from experiments.lab.experiment import Cell
from experiments.lab.store import Store
from tests.experiments.small import EXPERIMENT, Config
from tfbn.utils.validation import InputError


def snapshot(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def run(config, folder):
    return runner.run(EXPERIMENT, config, folder)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_cell_runs_once_and_results_are_on_disk(workers, tmp_path):
    results = run(Config(seeds=3, workers=workers), tmp_path)
    assert len(results) == 6
    assert results.groupby("arm").seed.apply(set).to_dict() == {"a": {0, 1, 2}, "b": {0, 1, 2}}
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "results.parquet"), results)
    np.testing.assert_allclose(
        results[results.arm == "b"].value.mean() - results[results.arm == "a"].value.mean(), 1
    )
    assert (tmp_path / "runs/none/a/seed0/log.txt").read_text() == "none/a/seed0"
    assert not list(tmp_path.rglob("*.tmp")) + list(tmp_path.rglob("*.unfinished"))


def test_the_same_command_does_nothing_again_and_more_seeds_only_add(tmp_path):
    first = run(Config(seeds=2, workers=0), tmp_path)
    stored = {p: p.stat().st_mtime_ns for p in tmp_path.glob("runs/*/*/*/result.json")}
    again = run(Config(seeds=2, workers=0), tmp_path)
    pd.testing.assert_frame_equal(first, again)
    more = run(Config(seeds=3, workers=0), tmp_path)
    assert len(more) == 6
    assert all(path.stat().st_mtime_ns == when for path, when in stored.items())


def test_a_run_that_fails_keeps_no_other_from_running_and_leaves_nothing(tmp_path):
    config = Config(seeds=1, workers=0, arms=("a", "fails", "b"))
    for _ in range(2):
        with pytest.raises(
            FailedRunsError, match=r"1 run\(s\) failed.*none/fails/seed0: RuntimeError: this arm"
        ):
            run(config, tmp_path)
        store = Store(tmp_path)
        assert store.result(Cell("none", "fails", 0)) is None
        assert all(store.result(Cell("none", arm, 0)) is not None for arm in "ab")
        assert not list(tmp_path.rglob("*.unfinished"))


def test_values_do_not_depend_on_the_executor(tmp_path):
    one = run(Config(seeds=2, workers=0), tmp_path / "one")
    two = run(Config(seeds=2, workers=2), tmp_path / "two")
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), two.drop(columns="seconds"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: None, r"same configuration. Received: .*size=3 there, 4 now"),
        (
            lambda f: (f / "runs/none/a/seed0/result.json").write_text("{half"),
            "readable file.*delete it.*result.json",
        ),
        (lambda f: (f / "manifest.json").write_text(""), "readable file.*manifest.json"),
        (lambda f: (f / "manifest.json").unlink(), "new, empty or the folder of an earlier study"),
        (
            lambda f: (f / "manifest.json").write_text(
                json.dumps({**json.loads((f / "manifest.json").read_text()), "experiment": "other"})
            ),
            "experiment='other' there, 'small' now",
        ),
    ],
)
def test_a_folder_that_cannot_take_the_study_is_left_as_it_was(spoil, message, tmp_path):
    run(Config(seeds=1, workers=0), tmp_path)
    spoil(tmp_path)
    before = snapshot(tmp_path)
    config = Config(seeds=1, workers=0, size=4 if "size" in message else 3)
    with pytest.raises(InputError, match=message):
        run(config, tmp_path)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("place", ["/proc/tfbn", "a file"])
def test_a_folder_that_cannot_be_written(place, tmp_path):
    (tmp_path / "a file").write_text("text")
    with pytest.raises(InputError, match="folder that can be written"):
        run(Config(seeds=1, workers=0), tmp_path / place / "deeper")
    assert (tmp_path / "a file").read_text() == "text"


def test_where_and_how_fast_are_not_part_of_a_study(tmp_path):
    config = Config(seeds=1, workers=0)
    first = run(config, tmp_path)
    again = run(dataclasses.replace(config, workers=1, work_dir="elsewhere"), tmp_path)
    pd.testing.assert_frame_equal(first, again)  # stored runs, their seconds included


def test_another_process_is_kept_out_while_one_works(tmp_path):
    config = Config(seeds=1, workers=0)
    with Store(tmp_path).opened("small", config), pytest.raises(InputError, match="one process at a time"):
        run(config, tmp_path)
    assert len(run(config, tmp_path)) == 2


def test_what_a_killed_start_leaves_is_no_obstacle(tmp_path):
    (tmp_path / "runs/none/a/seed0.0badcafe.unfinished").mkdir(parents=True)
    (tmp_path / ".manifest.json.xyz.tmp").write_text("{half")
    (tmp_path / ".lock").touch()
    assert len(run(Config(seeds=1, workers=0), tmp_path)) == 2
    assert not list(tmp_path.rglob("*.tmp")) + list(tmp_path.rglob("*.unfinished"))


def test_the_first_of_two_that_do_the_same_run_wins(tmp_path):
    store, cell = Store(tmp_path), Cell("none", "a", 0)
    with store.begun(cell) as first, store.begun(cell) as second:
        assert store.finish(cell, second, {"value": 2.0})["value"] == 2.0
        assert store.finish(cell, first, {"value": 1.0})["value"] == 2.0
    assert store.result(cell) == {"condition": "none", "arm": "a", "seed": 0, "value": 2.0}
    assert not list(tmp_path.rglob("*.unfinished"))
