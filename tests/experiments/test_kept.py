"""Results that are kept, and what is computed from them again."""

import dataclasses
import json
import shutil

import pandas as pd
import pytest

from experiments.lab import binary, kept
from experiments.lab.experiment import Summary
from tests.experiments import small
from tfbn.utils.validation import InputError


def summarize(config, results, folder):
    drift = pd.read_parquet(folder / "drift.parquet")
    says = f"{config.arms}: {results.value.sum():.6f} and {len(drift)} rows of drift"
    return Summary([says], [("Values", results)], [], ["None."])


def run(config, cell, folder):
    pd.DataFrame({"step": [1, 2], "shift": [0.5, cell.seed]}).to_parquet(folder / "drift.parquet")
    return small.run(config, cell, folder)


EXPERIMENT = dataclasses.replace(small.EXPERIMENT, run=run, summarize=summarize)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept") / "work"
    config = small.Config(work_dir=str(folder), workers=0, arms=("b", "a"), seeds=2)
    return binary.answer(EXPERIMENT, config)[0], folder


def test_the_summary_is_the_same_again(finished, tmp_path):
    summary, work = finished
    folder = kept.keep(EXPERIMENT, work, tmp_path)
    assert kept.is_kept(EXPERIMENT, tmp_path)
    assert kept.again(EXPERIMENT, tmp_path).findings == summary.findings
    assert {path.name for path in folder.iterdir()} == {"about.json", "results.parquet", "drift.parquet"}
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "results.parquet"), pd.read_parquet(work / "results.parquet")
    )


def test_it_says_where_the_results_come_from(finished, tmp_path):
    kept.keep(EXPERIMENT, finished[1], tmp_path)
    about = kept.about(EXPERIMENT, tmp_path)
    manifest = json.loads((finished[1] / "manifest.json").read_text())
    assert (about["runs"], about["commits"]) == (4, [manifest["commit"]])
    assert {key: about[key] for key in kept.ABOUT} == {key: manifest[key] for key in kept.ABOUT}
    assert not {*about["config"]} & {*kept.PATHS}


@pytest.mark.parametrize("name", ["another", "unfinished", "nowhere"])
def test_other_folders_are_refused_and_nothing_is_kept(name, finished, tmp_path):
    work, experiment = finished[1], EXPERIMENT
    if name == "another":
        experiment = dataclasses.replace(EXPERIMENT, name="another")
    elif name == "unfinished":
        work = tmp_path / "work"
        work.mkdir()
        (work / "manifest.json").write_text((finished[1] / "manifest.json").read_text())
    else:
        work = tmp_path / "nowhere"
    with pytest.raises(InputError, match="Expected `work_dir` to be the folder of a finished"):
        kept.keep(experiment, work, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_table_that_no_run_left_is_not_missed_and_one_that_got_lost_is(finished, tmp_path):
    other = dataclasses.replace(EXPERIMENT, tables=("drift", "never_left"))
    folder = kept.keep(other, finished[1], tmp_path)
    assert kept.about(other, tmp_path)["tables"] == ["drift"]
    assert kept.is_kept(other, tmp_path)
    (folder / "drift.parquet").unlink()
    assert not kept.is_kept(other, tmp_path)


def test_a_variant_is_stored_beside_the_usual_study(finished, tmp_path):
    summary, work = finished
    assert kept.keep(EXPERIMENT, work, tmp_path, variant="large").name == f"{EXPERIMENT.name}-large"
    assert kept.is_kept(EXPERIMENT, tmp_path, variant="large")
    assert not kept.is_kept(EXPERIMENT, tmp_path)
    assert kept.again(EXPERIMENT, tmp_path, variant="large").findings == summary.findings


@pytest.fixture
def stopped(finished, tmp_path):
    """The work folder of a study that was stopped before its last run."""
    work = tmp_path / "stopped"
    shutil.copytree(finished[1], work)
    for name in ("results.parquet", "drift.parquet"):
        (work / name).unlink()
    shutil.rmtree(sorted(work.glob("runs/*/*/seed1"))[0])
    return work


def test_the_finished_runs_of_a_stopped_study_can_be_stored(stopped, finished, tmp_path):
    before = (stopped / "manifest.json").read_text()
    folder = kept.keep(EXPERIMENT, stopped, tmp_path, so_far=True)
    rows, whole = (pd.read_parquet(each / "results.parquet") for each in (folder, finished[1]))
    assert kept.about(EXPERIMENT, tmp_path)["runs"] == len(rows) == len(whole) - 1
    assert rows.merge(whole).shape == rows.shape  # each is one of the whole study
    assert set(pd.read_parquet(folder / "drift.parquet").seed) == {0, 1}
    assert (stopped / "manifest.json").read_text() == before


def test_a_study_without_a_finished_run_is_refused(stopped, tmp_path):
    shutil.rmtree(stopped / "runs")
    with pytest.raises(InputError, match="to be the folder of a study with at least one finished run"):
        kept.keep(EXPERIMENT, stopped, tmp_path / "results", so_far=True)
    assert not (tmp_path / "results").exists()


def test_the_devices_of_the_runs_are_noted(finished, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(finished[1], work)
    drift = pd.read_parquet(work / "drift.parquet").assign(machine="a card; a library")
    drift.to_parquet(work / "drift.parquet")
    kept.keep(EXPERIMENT, work, tmp_path)
    assert kept.about(EXPERIMENT, tmp_path)["devices"] == ["a card; a library"]
