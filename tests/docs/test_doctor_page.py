"""The page of the doctor says what the stored results say, and they say enough."""

import re

import pytest

from benchmarks.diagnosis.averages import RECIPES
from benchmarks.diagnosis.claims import KEY, RUNS
from benchmarks.diagnosis.rows import read
from docs import doctor_page

KIND = {"network": "dense", "seed": 0}
FAULTS = read(doctor_page.RESULTS / "faults.json")


def test_the_page_is_that_of_the_stored_results():
    text = doctor_page.PAGE.read_text()
    assert doctor_page.updated(text) == text


@pytest.mark.parametrize("network", doctor_page.NETWORKS)
def test_at_least_22_of_24_faults_are_named(network):
    """In every way and seed in which they were planted, within 50 steps."""
    rows = [row for row in FAULTS if row["network"] == network]
    titles = {row["fault"] for row in rows}
    missed = {row["fault"] for row in rows if not row["found"] or (row["step"] or 0) > 50 or row["wrong"]}
    assert len(titles) == 24
    assert {row["seed"] for row in rows} == {0, 1}
    assert len(titles - missed) >= 22


def test_the_pictures_are_those_that_are_shown():
    text, pictures = doctor_page.PAGE.read_text(), list(doctor_page.IMAGES.glob("*.png"))
    assert {path.stem for path in pictures} == {*re.findall(r"\(images/doctor/([\w-]+)\.png\)", text)}
    assert sum(path.stat().st_size for path in pictures) < 1.5e6


def test_a_fault_that_was_missed_is_counted():
    rows = [
        {"fault": "a", "name": "few-values", "found": True, "step": None, "wrong": [], **KIND},
        {"fault": "a", "name": "few-values", "found": True, "step": 7, "wrong": ["b"], **KIND},
        {"fault": "c", "name": None, "found": False, "step": None, "wrong": [], **KIND},
    ]
    text = doctor_page.faults(rows)
    assert text.startswith("1 of 2 faults")
    assert "| a | [few-values](#few-values) | 2 of 2 | before to 7 |" in text
    assert "| c |  | 0 of 1 |  |" in text
    assert "In 1 training runs another fault" in text


def test_a_false_alarm_is_counted_and_located():
    found = {"name": "few-values"}
    rows = [
        {"experiment": "depth", "condition": "8 layers", "arm": "plain", "steps": 99, "findings": []},
        {"experiment": "depth", "condition": "8 layers", "arm": "residual", "steps": 50, "findings": [found]},
    ]
    text = doctor_page.claims(rows)
    assert text.startswith("It reported a fault in 1 of 2 runs (`depth`; 50 to 99 steps): 50 %")
    assert text.endswith("It was `few-values` in `residual` of `depth`, 8 layers.")


@pytest.mark.parametrize(
    ("worse", "verdict"), [(0.1, "yes"), (0.48, "on average; the interval reaches further"), (0.8, "no")]
)
def test_averages_are_judged_by_the_end_of_the_interval(worse, verdict):
    accuracies = {"raw": 60.0, "averaged_as_keras": 60.0}
    rows = [
        {"recipe": "digits", "seed": seed, **accuracies, "averaged": 60 - worse + (seed - 1) / 20}
        for seed in range(3)
    ]
    text = doctor_page.averages(rows)
    assert text.endswith(f" | {verdict} |")
    assert "| 3 | 60.0 % |  | +0.0 [" in text  # none was recalibrated


def test_every_training_whose_weights_are_averaged_has_a_row():
    planned = [(name, seed) for name, recipe in RECIPES.items() for seed in range(recipe.seeds)]
    rows = read(doctor_page.RESULTS / "averages.json")
    assert [(row["recipe"], row["seed"]) for row in rows] == planned
    assert {*doctor_page.TRAININGS} == {*RECIPES}


def test_every_healthy_run_has_a_row():
    rows = {tuple(row[name] for name in KEY): row for row in read(doctor_page.RESULTS / "claims.json")}
    assert set(rows) == {(name, *run) for name, (_, runs) in RUNS.items() for run in runs}
    assert all(row["fits"] >= 1 for row in rows.values())


def test_the_interval_is_exact():
    assert doctor_page.rate(1, 5) == "20 % with a 95 % interval of [1, 72]"
