"""Derives verdicts from the stored accuracies, by the rules."""

import dataclasses
from typing import TYPE_CHECKING

from ..lab import decisions
from ..lab.decisions import decided
from ..lab.differences import difference, difference_of_differences
from ..lab.intervals import Interval
from .conditions import CONDITIONS
from .rules import MARGIN, Rule

if TYPE_CHECKING:
    import pandas as pd

WORDS = {
    decisions.HOLDS: "holds",
    decisions.FAILS: "does not hold",
    decisions.ONLY_IF: "depends",
    decisions.SHOWN: "shown only there",
    decisions.NO_DIFFERENCE: "no difference",
    decisions.UNDECIDED: "cannot tell",
}


def decided_word(verdict: str) -> str:
    """The word that `lab.decisions` uses for a verdict of the study.

    >>> decided_word("depends")
    'only if'
    """
    return next(decision for decision, word in WORDS.items() if word == verdict)


@dataclasses.dataclass(frozen=True)
class Judgment:
    """The verdict on a claim by one measure.

    Attributes:
        rule: The claim.
        measure: One of `rules.MEASURES`.
        differences: By condition, or by pair of conditions such as `"contrast against base"`.
        verdicts: `"above"`, `"below"`, `"equivalent"` or `"not decided"`, likewise.
        verdict: On the claim.
    """

    rule: Rule
    measure: str
    differences: dict[str, Interval]
    verdicts: dict[str, str]
    verdict: str


def paired(arms: "pd.DataFrame", rule: Rule, measure: str) -> "dict[str, pd.DataFrame]":
    """By condition the measure for both arms, one row for each seed that has both."""
    part = arms[arms.setting.isin((rule.arm, rule.reference))]
    table = part.pivot(index=["condition", "seed"], columns="setting", values=measure)
    if not {rule.arm, rule.reference} <= {*table.columns}:
        return {}
    both = table[[rule.arm, rule.reference]].dropna().groupby(level="condition", observed=True)
    return {str(name): of_both.droplevel("condition") for name, of_both in both}


def differences(arms: "pd.DataFrame", rule: Rule, measure: str) -> dict[str, Interval]:
    """The difference of a claim, in every condition that has run."""
    found, changes = {}, {}
    by_condition = paired(arms, rule, measure)
    images_of = arms.drop_duplicates("condition").set_index("condition").test_images
    for name in CONDITIONS:
        if name in by_condition:
            both, images = by_condition[name], int(images_of[name])
            found[name] = difference(both[rule.arm], both[rule.reference], images)
            changes[name] = 100 * (both[rule.arm] - both[rule.reference])
    if not rule.pairs:
        return {name: each for name, each in found.items() if not rule.conditions or name in rule.conditions}
    between = {}
    for one, other in rule.pairs:
        common = (changes[one] - changes[other]).dropna() if {one, other} <= {*found} else ()
        if len(common):
            between[f"{one} against {other}"] = difference_of_differences(found[one], found[other], common)
    return between


def judge(arms: "pd.DataFrame", rule: Rule, measure: str) -> Judgment:
    """The verdict on a claim by one measure, see `rules`."""
    found = differences(arms, rule, measure)
    verdicts = decided(found, MARGIN)
    return Judgment(
        rule, measure, found, verdicts, WORDS[decisions.verdict_of(found, verdicts, interactions=False)]
    )
