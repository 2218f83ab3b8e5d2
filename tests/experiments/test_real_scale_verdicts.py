"""Verdicts of the study from accuracies that are made up, and what is stored of it."""

import json

import numpy as np
import pandas as pd
import pytest

from experiments.real_scale import figure, rules, stored, summary, tables, verdicts
from experiments.real_scale.arms import FROZEN
from experiments.real_scale.conditions import CONDITIONS
from tfbn.utils.validation import InputError

MEASURE = "refitted_accuracy"
GAIN = rules.Rule("It gains.", "recalibrated", "inference", (MEASURE,))


def made_up(gains, seeds=6, noise=0.002):
    """Rows of every frozen arm: `recalibrated` is better than the others by the gain of its condition."""
    rng, rows = np.random.default_rng(0), []
    for condition, gain in gains.items():
        for seed in range(seeds):
            for setting in FROZEN:
                level = 0.7 + (gain / 100 if setting == "recalibrated" else 0) + rng.normal(0, noise)
                row = {"condition": condition, "seed": seed, "family": "frozen", "setting": setting}
                rows.append(row | dict.fromkeys(rules.MEASURES, level) | {"test_images": 5000})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("gains", "verdict", "each"),
    [
        ({"base": 5, "digits": 6}, "holds", ["above", "above"]),
        ({"base": -5, "digits": 6}, "depends", ["below", "above"]),
        ({"base": -5, "digits": -6}, "does not hold", ["below", "below"]),
        ({"base": 5, "digits": 0}, "shown only there", ["above", "equivalent"]),
        ({"base": -5, "digits": 0}, "does not hold", ["below", "equivalent"]),
        ({"base": 0, "digits": 0}, "no difference", ["equivalent", "equivalent"]),
        ({}, "cannot tell", []),
    ],
)
def test_verdicts(gains, verdict, each):
    arms = made_up(gains) if gains else made_up({"base": 0})[:0]
    found = verdicts.judge(arms, GAIN, MEASURE)
    assert (found.verdict, list(found.verdicts.values())) == (verdict, each)


def test_fewer_than_four_seeds_have_no_verdict_and_are_shown_all_the_same():
    arms = pd.concat([made_up({"base": 30}, seeds=3), made_up({"digits": 0})])
    found = verdicts.judge(arms, GAIN, MEASURE)
    assert found.verdicts == {"base": "not decided", "digits": "equivalent"}
    assert found.differences["base"].seeds == 3
    assert found.verdict == "no difference"


def test_several_conditions_need_more():
    """p = 0.02 or so is enough for one condition, and not for one of six."""
    arms = made_up({"base": 1.2}, seeds=5, noise=0.006)
    alone = verdicts.judge(arms, GAIN, MEASURE)
    assert 0.01 < alone.differences["base"].p_value() < 0.05
    assert alone.verdicts["base"] == "above"
    others = made_up(dict.fromkeys(("digits", "contrast", "faint", "noise", "toy"), 0.3), 5, 0.02)
    assert verdicts.judge(pd.concat([arms, others]), GAIN, MEASURE).verdicts["base"] == "not decided"


def test_an_interaction_compares_conditions_seed_by_seed():
    rule = rules.Rule("More.", "recalibrated", "inference", (MEASURE,), pairs=rules.PAIRS)
    found = verdicts.judge(made_up({"base": -8, "contrast": 4, "toy": 1}), rule, MEASURE)
    assert list(found.differences) == ["contrast against base"]
    assert found.differences["contrast against base"].mean == pytest.approx(12, abs=0.5)
    assert found.verdict == "holds"


def test_a_rule_may_be_about_some_conditions_only():
    rule = rules.Rule("There.", "recalibrated", "inference", (MEASURE,), conditions=("contrast",))
    found = verdicts.judge(made_up({"base": -8, "contrast": 4}), rule, MEASURE)
    assert (list(found.differences), found.verdict) == (["contrast"], "holds")


@pytest.fixture
def work_dir(tmp_path):
    """As a study that is going on leaves it: three runs finished, one not."""
    arms = made_up({"base": -8, "toy": 0}, seeds=2)
    for (condition, seed), rows in arms.groupby(["condition", "seed"]):
        folder = tmp_path / "runs" / condition / "frozen" / f"seed{seed}"
        folder.mkdir(parents=True)
        own = rows.drop(columns=["condition", "seed", "family"]).assign(
            commit="abc123", machine="two cores", cpu_seconds=7.0
        )
        own["validation_accuracy"] = own.test_accuracy
        own.to_parquet(folder / "arms.parquet")
        if (condition, seed) != ("toy", 1):
            (folder / "result.json").write_text(
                json.dumps({"condition": condition, "arm": "frozen", "seed": seed})
            )
    manifest = {
        "config": {"photographs": "/somewhere"},
        "versions": {"keras": "3.15"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_what_is_finished_is_collected_and_stored(work_dir, tmp_path):
    table, about = stored.collect(work_dir)
    assert about["runs"] == 3
    assert about["commits"] == ["abc123"]
    assert "photographs" not in about["config"]
    assert set(zip(table.condition, table.seed, strict=True)) == {("base", 0), ("base", 1), ("toy", 0)}
    stored.write(table, about, tmp_path / "stored")
    again, same = stored.read(tmp_path / "stored")
    pd.testing.assert_frame_equal(again, table)
    assert same == about


def test_runs_are_added_to_what_is_stored(work_dir, tmp_path):
    table, about = stored.collect(work_dir)
    old = table[table.condition == "toy"].assign(test_accuracy=0.25, commit="old")
    older = table[table.seed == 0].assign(condition="digits", commit="old")
    about["date"] = "2000-01-01"
    stored.write(pd.concat([old, older]), about, tmp_path / "stored")
    both, of_both = stored.added([work_dir], tmp_path / "stored")
    assert of_both["runs"] == 4
    assert of_both["commits"] == ["abc123", "old"]
    assert of_both["date"] > "2026"
    assert of_both["config"]["conditions"] == list(CONDITIONS)
    assert set(both[both.commit == "old"].condition) == {"digits"}
    toy = both[both.condition == "toy"].test_accuracy.tolist()
    assert toy == table[table.condition == "toy"].test_accuracy.tolist()
    stored.write(table, about | {"machines": {"two cores": {"keras": "2.0"}}}, tmp_path / "stored")
    with pytest.raises(InputError, match="Expected `work_dir` to have runs of"):
        stored.added([work_dir], tmp_path / "stored")


def test_the_study_goes_on_from_what_is_stored(work_dir, tmp_path):
    from experiments.lab.store import Store
    from experiments.real_scale import __main__ as study

    table, about = stored.collect(work_dir)
    about["config"] = {"seeds": 10, "conditions": ["base", "toy"], "quick": False}
    stored.write(table, about, tmp_path / "stored")
    stored.restore(tmp_path / "again", "/pictures", tmp_path / "stored")
    same, _ = stored.collect(tmp_path / "again")
    pd.testing.assert_frame_equal(same, table)
    config = study.Config(conditions=("base", "toy"), photographs="/pictures")
    store = Store(tmp_path / "again")
    store.check("real_scale", config)
    stored_cells = [cell for cell in study.cells(config) if store.result(cell) is not None]
    assert [(cell.condition, cell.seed) for cell in stored_cells] == [("base", 0), ("base", 1), ("toy", 0)]


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_folder_without_runs_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="Expected `work_dir` to be the folder of a study"):
        stored.collect(tmp_path / folder)
    with pytest.raises(InputError, match="Expected `results` to be a folder with results"):
        stored.read(tmp_path / folder)


def test_the_summary_says_what_has_run(tmp_path):
    arms = made_up({"base": -8, "toy": 0, "contrast": 4})
    kept = arms.rename(columns={"family": "arm"}).astype({"condition": "category", "arm": "category"})
    kept.to_parquet(tmp_path / "arms.parquet")  # as the runner puts it together
    found = summary.summarize(None, arms, tmp_path)
    assert len(found.tables) == 3
    table = found.tables[0][1]
    assert list(table["condition"]) == [
        "Fashion-MNIST",
        "ResNet-8: other digits",
        "Fashion-MNIST, contrast 0.3",
    ]
    assert table["seeds"].tolist() == [6] * 3
    assert table["recalibrated"].astype(float).tolist() == pytest.approx([62, 70, 74], abs=0.5)
    assert any(claim.verdict == "only if" for claim in found.claims)
    first = found.claims[0]
    assert first.claim.endswith("momentum, 0.99 (short training).")
    assert [each.condition for each in first.numbers] == list(table["condition"])
    assert any("pixels are shifted" in line and "holds" in line for line in found.findings)
    assert tables.markdown(table).count("\n") == 4
    ((_, _, drawn),) = found.figures
    labels = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert labels == ["EfficientNetLite0, clothes (Fashion-MNIST)", "ResNet-8, other digits (UCI)"]
    lines = figure._lines(verdicts.differences(arms, figure.GAIN, MEASURE))
    assert [each.name for each in lines[labels[0]]] == ["base", "contrast"]
