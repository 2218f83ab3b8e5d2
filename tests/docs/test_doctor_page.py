"""The page of the doctor says what the stored results say, and they say enough."""

import re

from benchmarks.diagnosis.rows import read
from docs import doctor_page

KIND = {"network": "dense", "seed": 0}
FAULTS = read(doctor_page.RESULTS / "faults.json")


def test_the_page_is_that_of_the_stored_results():
    text = doctor_page.PAGE.read_text()
    assert doctor_page.updated(text) == text


def test_22_of_24_faults_are_named_in_two_networks_and_two_seeds():
    titles = {row["fault"] for row in FAULTS}
    named = {
        title: {
            (row["network"], row["seed"])
            for row in FAULTS
            if row["fault"] == title and row["found"] and (row["step"] or 0) <= 50 and not row["wrong"]
        }
        for title in titles
    }
    assert len(titles) == 24
    assert sum(len(kinds) == 4 for kinds in named.values()) >= 22


def test_each_finding_has_a_picture_that_is_shown():
    text = doctor_page.PAGE.read_text()
    pictures = {path.stem for path in doctor_page.IMAGES.glob("*.png")}
    assert pictures == {*re.findall(r"\(images/doctor/([\w-]+)\.png\)", text)}
    # With the recorder in the step, flags that changed take effect, and there is no fault to show.
    assert {row["name"] for row in FAULTS if row["found"]} - pictures <= {"changed-after-compile"}
    assert sum(path.stat().st_size for path in doctor_page.IMAGES.iterdir()) < 1.5e6


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
    assert "In 1 of them another fault" in text


def test_the_interval_is_exact():
    assert doctor_page.rate(1, 5) == "20 % with a 95 % interval of [1, 72]"
