"""One row per claim: the number that decides, its plot, and the reader's words."""

import pandas as pd
import pytest

from experiments.claims import strips, table, words
from experiments.lab.experiment import Summary
from experiments.lab.intervals import interval
from experiments.lab.verdicts import Citation, judged, judged_below, judged_facts

GUIDE = Citation("a guide", "https://example.org/a?b&c", "More is better.")
HIGH, HIGHER = interval([4.0, 5.0, 6.0, 5.0]), interval([14.0, 15.0, 16.0, 15.0])
LOW, UNCLEAR = HIGH.negative(), interval([-9.0, 19.0, 3.0, 2.0])


def rows(*claims):
    return table.claims_table({"depth": Summary([], [], [], [], [*claims])})


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({"8": HIGHER, "4": HIGH}, "4"),  # it holds: also where it does least
        ({"8": LOW, "4": HIGHER.negative()}, "4"),  # it does not: least of all there
        ({"8": UNCLEAR, "4": HIGH, "2": HIGHER}, "2"),  # shown only there
        ({"8": LOW, "4": HIGH}, "4"),  # only if
    ],
)
def test_the_number_that_decides(changes, condition):
    row = next(rows(judged("More is better.", changes)).itertuples())
    assert table.deciding(row).condition == condition


def test_a_claim_that_something_is_small_is_read_the_other_way_round():
    little, much = interval([9.0, 10.0, 11.0, 10.0]), interval([29.0, 30.0, 31.0, 30.0])
    row = next(rows(judged_below("It is little.", {"a": little, "b": much}, 15.0, unit="%")).itertuples())
    assert (row.limit, row.below, row.verdict) == (15.0, True, "only if")
    assert table.deciding(row).condition == "a"
    text = table.markdown(rows(judged_below("It is little.", {"a": little, "b": much}, 15.0, unit="%")))
    assert "**10.0** [8.7, 11.3] %, a; 4 seeds" in text
    plots = [part for part in text.split("<code>") if part.startswith(strips.EMPTY)]
    assert plots[0].index(strips.MEAN) > strips.HALF > plots[1].index(strips.MEAN)


def test_details_are_folded_and_complete():
    claim = judged(
        "More is better.", {"batch_held at 8 images": HIGH, "none": UNCLEAR}, source=GUIDE, margin=2
    )
    (text,) = [line for line in table.markdown(rows(claim)).splitlines() if line.startswith("| **More")]
    summary, _, folded = text.partition("<details>")[2].partition("</details>")[0].partition("</summary>")
    assert summary == "<summary>a guide"
    assert '“More is better.” (<a href="https://example.org/a?b&amp;c">source</a>)' in folded
    assert "training=True with statistics held at 8 images: +5.0 [3.7, 6.3], holds" in folded
    assert "no shift: +3.8" in folded
    assert "a loss of up to 2 points is allowed" in folded
    assert "batch_held" not in text


def test_facts_stand_in_a_table_of_their_own():
    text = table.markdown(
        rows(judged("More.", {"a": HIGH}), judged_facts("It is so.", {"a": True}, "9 of 9"))
    )
    claims, facts = text.split("## Formulas and facts of the API")
    assert "**More.**" in claims
    assert "It is so." not in claims
    assert "| **It is so.**" in facts
    assert "| holds | 9 of 9 |" in facts


def test_the_table_is_the_same_from_a_file(tmp_path):
    made = rows(
        judged("More.", {"a": HIGH, "one seed": interval([3.0])}, source=GUIDE),
        judged_facts("So.", {"a": True}, "9"),
    )
    made.to_parquet(tmp_path / "claims.parquet")
    assert table.markdown(pd.read_parquet(tmp_path / "claims.parquet")) == table.markdown(made)


@pytest.mark.parametrize(
    ("ends", "drawn"),
    [
        ((-1e9, 0.0, 1e9), "├─────────●─────────┤"),
        ((-1e-9, 0.0, 1e-9), "··········●··········"),
        ((float("nan"), 5.0, float("nan")), "··········│···●······"),
        ((-60.0, -20.0, -5.0), "·├─●──┤···│··········"),
    ],
)
def test_strips(ends, drawn):
    assert strips.strip(*ends) == drawn


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("batch at contrast=0.3", "training=True at contrast 0.3"),
        ("batch 8", "batch 8"),
        ("plain20, normalized by the batch", "plain20, normalized by the batch"),
        ("last batch", "the last layers, training=True"),
        ("against both at best rates", "against both at best rates"),
        ("subclassed_passing, unfrozen", "a subclassed model that passes training on, unfrozen"),
    ],
)
def test_words(name, said):
    assert words.of_condition(name) == said
