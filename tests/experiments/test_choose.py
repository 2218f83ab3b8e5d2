"""Raced trainings: the recommendation goes by `tfbn.choose`'s rules, and arms that cannot win stop."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.choose import __main__ as choose
from experiments.choose import race, runs
from experiments.choose.summary import disagreement, recommended, sentences, stopped
from experiments.lab import binary
from tests.experiments.small import TINY

ARMS = ["inference", "batch", "recalibrated"]


def tried(seeds=4, images=200, short=None, **shares):
    """Each arm right on so large a share of the images, on others in each seed."""
    rng = np.random.default_rng(0)
    parts = []
    for seed in range(seeds):
        for arm in ARMS:
            luck = rng.random(images)
            right = {
                race.CONVERGED: luck < shares.get(arm, 0.5),
                race.SHORT: luck < (short or shares).get(arm, 0.5),
            }
            parts.append(race.tried_on(right).assign(arm=arm, seed=seed))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"batch": 0.9, "recalibrated": 0.7}, "Choose batch "),
        ({"batch": 0.7, "recalibrated": 0.95}, "Choose recalibrated "),
        ({}, "Keep inference "),
        ({"batch": 0.1, "recalibrated": 0.1}, "Keep inference "),
    ],
)
def test_each_recommendation(shares, said):
    found = recommended(tried(**shares), ARMS, classes=2)
    lines = sentences(found)
    assert lines[0].startswith(said)
    assert "tfbn.freeze(model, layers, training=" in lines[0]
    no_difference = any("No difference that these data can show" in line for line in lines)
    assert no_difference == (not shares)
    assert any("All others are worse" in line for line in lines) == (shares.get("batch") == 0.1)


def test_what_chose_does_not_judge():
    """An arm that shines only on the images to choose by is chosen, and then not recommended."""
    table = tried()
    table.loc[(table.arm == "batch") & table.to_choose_by, race.CONVERGED] = True
    found = recommended(table, ARMS, classes=2)
    assert found.recommendation == "inference"
    assert "No difference" in found.reasons[0]
    assert found.images == 4 * 100


def test_short_and_converged_that_disagree_are_named():
    table = tried(batch=0.5, short={"batch": 0.95})
    converged, short = (recommended(table, ARMS, 2, head) for head in (race.CONVERGED, race.SHORT))
    (said,) = disagreement(converged, short)
    assert "after the short budget it would be batch" in said
    assert "with a converged head inference" in said
    assert disagreement(converged, converged) == []


def test_arms_that_cannot_win_stop_and_the_first_never_does():
    assert race.can_win(tried(3, inference=0.9, batch=0.9, recalibrated=0.2), ARMS, 2) == ARMS[:2]
    assert race.can_win(tried(3, inference=0.2, batch=0.9, recalibrated=0.2), ARMS, 2) == ARMS[:2]
    assert race.can_win(tried(3), ARMS, 2) == ARMS


def test_only_images_to_choose_by_stop_an_arm():
    table = tried(3)
    table.loc[(table.arm == "batch") & ~table.to_choose_by, race.CONVERGED] = False
    assert race.can_win(table, ARMS, 2) == ARMS


def test_an_arm_as_good_as_the_best_stops_in_one_of_twenty_races_at_most():
    rng, lost = np.random.default_rng(0), 0
    for _ in range(40):
        parts = [
            race.tried_on({race.CONVERGED: rng.random(60) < 0.8}).assign(arm=arm, seed=seed)
            for seed in range(5)
            for arm in ARMS
        ]
        table = pd.concat(parts)
        kept = ARMS
        for seeds in (3, 4):
            kept = race.can_win(table[(table.seed < seeds) & table.arm.isin(kept)], kept, 2)
        lost += kept != ARMS
    assert lost <= 2


def test_more_seeds_for_the_arms_that_can_win(tmp_path):
    config = choose.Config(seeds=5, arms=tuple(ARMS), shifts=("none",))
    table = tried(3, inference=0.9, batch=0.9, recalibrated=0.2)
    table.to_parquet(tmp_path / f"{runs.TABLE}.parquet")
    results = table.groupby(["arm", "seed"], as_index=False)[race.CONVERGED].mean()
    assert [(cell.arm, cell.seed) for cell in runs.more(config, results, tmp_path)] == [
        ("inference", 3),
        ("batch", 3),
    ]
    assert runs.more(dataclasses.replace(config, seeds=3), results, tmp_path) == []
    assert stopped(results, ARMS) == []
    assert stopped(
        results.drop(index=results[(results.arm == "batch") & (results.seed == 2)].index), ARMS
    ) == ["Stopped, since they could no longer win: batch after 2 seeds."]


@pytest.mark.long
def test_it_runs(tmp_path, capsys):
    values = {f.name: getattr(TINY, f.name) for f in dataclasses.fields(choose.Config) if f.name != "arms"}
    options = {
        "work_dir": str(tmp_path),
        "arms": ("inference", "batch_held"),
        "shifts": ("none",),
        "seeds": 4,
    }
    config = choose.Config(**values | options)
    _, report = binary.answer(choose.EXPERIMENT, config)
    said = capsys.readouterr().out
    assert "Choose batch_held" in said or "Keep inference" in said
    results = pd.read_parquet(tmp_path / "results.parquet")
    images = pd.read_parquet(tmp_path / f"{runs.TABLE}.parquet")
    mean = images.groupby(["arm", "seed"], observed=True)[[race.CONVERGED, race.SHORT]].mean()
    both = results.set_index(["arm", "seed"])
    np.testing.assert_allclose(mean[race.CONVERGED], both.converged_accuracy.reindex(mean.index))
    np.testing.assert_allclose(mean[race.SHORT], both.test_accuracy.reindex(mean.index))
    binary.answer(choose.EXPERIMENT, config)  # continues: nothing is left to run
    assert pd.read_parquet(tmp_path / "results.parquet").equals(results)
    assert report.is_file()
