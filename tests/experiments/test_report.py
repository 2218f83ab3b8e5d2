"""What a report looks like: its picture first, its words explained."""

import pandas as pd

from experiments.lab import plots, report
from experiments.lab.experiment import Summary
from experiments.lab.verdicts import Claim
from tests.experiments.small import EXPERIMENT, Config


def written(tmp_path, figures):
    table = pd.DataFrame({"arm": ["a"], "gap, points": ["+1.0"]})
    summary = Summary(["A finding."], [("A table", table)], figures, ["Nothing."])
    return report.to_html(EXPERIMENT, Config(), summary, tmp_path).read_text()


def test_the_first_picture_comes_before_the_findings(tmp_path):
    results = pd.DataFrame({"condition": "none", "arm": ["a", "b"], "seed": 0, "value": [0.0, 100.0]})
    figures = [
        (title, "Marks.", plots.by_arm(results, {"value": "v"}, ["a", "b"], "%")) for title in ("One", "Two")
    ]
    text = written(tmp_path, figures)
    places = [text.index(part) for part in ('alt="One"', "A finding.", "A table", 'alt="Two"', "Nothing.")]
    assert places == sorted(places)


def test_marks_at_the_edge_are_drawn_whole():
    results = pd.DataFrame({"condition": "none", "arm": ["a", "b"], "seed": 0, "value": [0.0, 100.0]})
    figure = plots.by_arm(results, {"value": "v"}, ["a", "b"], "%")
    assert not any(mark.get_clip_on() for axis in figure.axes for mark in axis.collections)


def test_the_words_are_explained_and_linked(tmp_path):
    text = written(tmp_path, [])
    assert 'href="#glossary"' in text
    assert 'id="glossary"' in text
    for word in ("gap", "mismatch", "nats", "short budget"):
        assert f"<dt>{word}</dt>" in text


def test_claims_are_a_table_of_five_columns_with_links(tmp_path):
    claims = [
        Claim(
            "Claims are short.",
            "+1.0",
            "holds",
            source="A guide",
            url="https://example.org/a",
            quote="Be short.",
        ),
        Claim("Own.", "+2.0", "holds"),
    ]
    text = report.to_html(EXPERIMENT, Config(), Summary([], [], [], [], claims), tmp_path).read_text()
    assert text.count("<th ") == 5
    assert '<a href="https://example.org/a">A guide: “Be short.”</a>' in text
    assert "<a href" not in text.partition("Own.")[2].partition("</tr>")[0]
