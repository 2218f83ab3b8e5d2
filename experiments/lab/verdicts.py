"""Claims put to the test: what is said, what was measured, and what follows."""

import dataclasses
from collections.abc import Mapping

from .intervals import Interval

HOLDS, FAILS, ONLY_IF, UNDECIDED = "holds", "does not hold", "only if", "these runs cannot tell"
VERDICTS = (HOLDS, FAILS, ONLY_IF, UNDECIDED)


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim and what the runs say of it.

    Attributes:
        claim: As tutorials have it, in one short sentence.
        measured: The numbers that decide, with intervals and the number of seeds.
        verdict: One of `VERDICTS`.
        why: The condition of an "only if", or the reason; may be empty.
        source: Who says so: a guide, a paper; may be empty.
    """

    claim: str
    measured: str
    verdict: str
    why: str = ""
    source: str = ""


def verdict_of(changes: Mapping[str, Interval]) -> str:
    """The verdict on a claim that says: this difference is above zero, whatever the condition.

    Args:
        changes: The paired difference by condition, signed so that the claim says "positive".

    Returns:
        "holds" if every interval is above zero; "only if" if some are and others are not;
        "does not hold" if none is and at least one is below zero; else that these runs
        cannot tell.

    Example:

    >>> from experiments.lab.intervals import interval
    >>> higher, unclear = interval([4.0, 5.0, 6.0]), interval([-1.0, 1.0])
    >>> verdict_of({"batch size 8": higher}), verdict_of({"batch size 8": higher, "1": unclear})
    ('holds', 'only if')
    >>> verdict_of({"batch size 1": unclear})
    'these runs cannot tell'
    """
    signs = [change.sign for change in changes.values()]
    if signs and all(sign > 0 for sign in signs):
        return HOLDS
    if any(sign > 0 for sign in signs):
        return ONLY_IF
    return FAILS if any(sign < 0 for sign in signs) else UNDECIDED


def no_worse(changes: Mapping[str, Interval], margin: float) -> dict[str, Interval]:
    """The same differences plus `margin`, for a claim that says: no loss beyond the margin.

    A difference is then above zero where its interval excludes a loss of `margin`, and below
    zero where it lies beyond it.

    Example:

    >>> from experiments.lab.intervals import interval
    >>> about_equal = {"frozen": interval([-0.5, 0.5, 0.0])}
    >>> verdict_of(about_equal), verdict_of(no_worse(about_equal, margin=2.0))
    ('these runs cannot tell', 'holds')
    """
    return {
        condition: dataclasses.replace(
            change, mean=change.mean + margin, low=change.low + margin, high=change.high + margin
        )
        for condition, change in changes.items()
    }


def judged(
    claim: str,
    changes: Mapping[str, Interval],
    *,
    source: str = "",
    unit: str = "points",
    digits: int = 1,
    margin: float = 0.0,
) -> Claim:
    """A claim that differences are above zero, or with a margin: that nothing beyond it is lost.

    Args:
        claim: In one sentence.
        changes: The paired difference by condition, signed so that the claim says "positive".
        source: Who says so.
        unit: Of the differences.
        digits: After the decimal point.
        margin: The loss that the claim allows, in that unit.

    Returns:
        The claim with the differences as what was measured, the verdict of `verdict_of`, and
        where it holds, where the opposite does, and where these runs cannot tell as the reason.

    Example:

    >>> from experiments.lab.intervals import interval
    >>> changes = {"8 images": interval([4.0, 5.0, 6.0]), "1 image": interval([-4.0, 5.0, 6.0])}
    >>> found = judged("More images are better.", changes)
    >>> found.measured
    '8 images: +5.0 [2.5, 7.5]; 1 image: +2.3 [-11.4, 16.0] points (3 seeds)'
    >>> found.verdict, found.why
    ('only if', 'holds: 8 images; cannot tell: 1 image')
    """
    tested = no_worse(changes, margin)
    seeds = sorted({change.seeds for change in changes.values()})
    numbers = "; ".join(f"{condition}: {change.text(digits)}" for condition, change in changes.items())
    groups = {
        "holds": [c for c, change in tested.items() if change.sign > 0],
        "the opposite": [c for c, change in tested.items() if change.sign < 0],
        "cannot tell": [c for c, change in tested.items() if not change.sign],
    }
    reasons = [f"{word}: {', '.join(conditions)}" for word, conditions in groups.items() if conditions]
    reasons = reasons if len(reasons) > 1 else []
    if margin:
        reasons.append(f"a loss of up to {margin:g} {unit} is allowed")
    return Claim(
        claim,
        f"{numbers} {unit} ({'/'.join(map(str, seeds))} seeds)",
        verdict_of(tested),
        "; ".join(reasons),
        source,
    )


def judged_below(
    claim: str, values: Mapping[str, Interval], limit: float, *, unit: str, source: str = "", digits: int = 1
) -> Claim:
    """A claim that a measurement lies below a limit, whatever the condition.

    Args:
        claim: In one sentence.
        values: The measurement by condition.
        limit: What the claim calls little.
        unit: Of the values.
        source: Who says so.
        digits: After the decimal point.

    Example:

    >>> from experiments.lab.intervals import interval
    >>> found = judged_below("It is useless.", {"batch size 1": interval([9.0, 10.0, 11.0])}, 15.0, unit="%")
    >>> found.measured, found.verdict
    ('batch size 1: 10.0 [7.5, 12.5] % (limit: 15 %)', 'holds')
    """
    found = judged(
        claim, no_worse({name: value.negative() for name, value in values.items()}, limit), source=source
    )
    numbers = "; ".join(f"{name}: {value.text(digits, signed=False)}" for name, value in values.items())
    return dataclasses.replace(found, measured=f"{numbers} {unit} (limit: {limit:g} {unit})")


def judged_facts(claim: str, facts: Mapping[str, bool], measured: str, source: str = "") -> Claim:
    """A claim that something is so in every situation, put to the test by facts that leave no doubt.

    Args:
        claim: In one sentence.
        facts: Whether it was so, by situation.
        measured: What was seen.
        source: Who says so.

    Returns:
        The claim with the verdict: "holds" if it was so in every situation, "does not hold" if in
        none, else "only if". The reason lists the situations of either kind.

    Example:

    >>> judged_facts("It holds still.", {"frozen": True, "unfrozen": False}, "1 of 2").why
    'holds: frozen; does not: unfrozen'
    """
    holds = [situation for situation, fact in facts.items() if fact]
    fails = [situation for situation, fact in facts.items() if not fact]
    verdict = ONLY_IF if holds and fails else HOLDS if holds else FAILS if fails else UNDECIDED
    why = f"holds: {', '.join(holds)}; does not: {', '.join(fails)}" if holds and fails else ""
    return Claim(claim, measured, verdict, why, source)
