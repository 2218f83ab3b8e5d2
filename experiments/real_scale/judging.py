"""From the stored accuracies to verdicts, by the rules."""

import dataclasses
from typing import TYPE_CHECKING

from ..lab.differences import Difference, difference, difference_of_differences, holm
from .conditions import CONDITIONS
from .rules import LEAST_SEEDS, LEVEL, MARGIN, Rule

if TYPE_CHECKING:
    import pandas as pd

ABOVE, BELOW, EQUIVALENT, UNDECIDED = "above", "below", "equivalent", "not decided"
HOLDS, FAILS, DEPENDS = "holds", "does not hold", "depends"
SHOWN, NO_DIFFERENCE, UNKNOWN = "shown only there", "no difference", "cannot tell"


@dataclasses.dataclass(frozen=True)
class Judgment:
    """What the runs say of a claim by one measure.

    Attributes:
        rule: The claim.
        measure: One of `rules.MEASURES`.
        differences: By condition, or by pair of conditions as `"contrast against base"`.
        verdicts: `"above"`, `"below"`, `"equivalent"` or `"not decided"`, likewise.
        verdict: On the claim.
    """

    rule: Rule
    measure: str
    differences: dict[str, Difference]
    verdicts: dict[str, str]
    verdict: str


def paired(arms: "pd.DataFrame", condition: str, rule: Rule, measure: str) -> "pd.DataFrame | None":
    """The measure of both arms, one row for each seed that has both; None with no such seed."""
    part = arms[arms.condition == condition].pivot(index="seed", columns="setting", values=measure)
    if not {rule.arm, rule.reference} <= {*part.columns}:
        return None
    both = part[[rule.arm, rule.reference]].dropna()
    return both if len(both) else None


def differences(arms: "pd.DataFrame", rule: Rule, measure: str) -> dict[str, Difference]:
    """The difference that a claim is about, in every condition that has run."""
    found, changes = {}, {}
    for name in CONDITIONS:
        both = paired(arms, name, rule, measure)
        if both is not None:
            images = int(arms[arms.condition == name].test_images.iloc[0])
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
    counted = {name: each for name, each in found.items() if each.seeds >= LEAST_SEEDS}
    unlike = holm({name: each.p_value() for name, each in counted.items()})
    alike = holm({name: each.p_beyond(MARGIN) for name, each in counted.items()})
    verdicts = dict.fromkeys(found, UNDECIDED)
    for name, each in counted.items():
        if unlike[name] < LEVEL:
            verdicts[name] = ABOVE if each.mean > 0 else BELOW
        elif alike[name] < LEVEL:
            verdicts[name] = EQUIVALENT
    return Judgment(rule, measure, found, verdicts, _verdict([verdicts[name] for name in counted]))


def _verdict(verdicts: list[str]) -> str:
    above, below, equivalent = (verdicts.count(each) for each in (ABOVE, BELOW, EQUIVALENT))
    if not verdicts:
        return UNKNOWN
    if above and below:
        return DEPENDS
    if above:
        return HOLDS if above == len(verdicts) else SHOWN
    if below:
        return FAILS
    return NO_DIFFERENCE if equivalent == len(verdicts) else UNKNOWN
