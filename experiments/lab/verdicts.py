"""Claims, the measurements that test them, and verdicts."""

import dataclasses
from collections.abc import Mapping

from tfbn.utils.words import counted

from .decisions import (
    ABOVE,
    BELOW,
    EQUIVALENT,
    FAILS,
    HOLDS,
    NOT_DECIDED,
    ONLY_IF,
    UNDECIDED,
    decided,
    verdict_of,
)
from .intervals import LEAST_SEEDS, Interval

CLAIM, QUESTION, FACT = "claim", "question", "fact"
WORDS = {ABOVE: "holds", BELOW: "the opposite", EQUIVALENT: "no difference", NOT_DECIDED: "cannot tell"}
MARGIN = 2.0  # points of accuracy; smaller differences count as none


@dataclasses.dataclass(frozen=True)
class Citation:
    """The source of a claim, with a quotation.

    Attributes:
        source: Author and year, or the name of the page.
        url: Its address.
        quote: The sentence, at most 25 words.
    """

    source: str
    url: str
    quote: str


@dataclasses.dataclass(frozen=True)
class Number:
    """The measurement under one condition.

    Attributes:
        condition: In words.
        mean: Over seeds.
        low: Lower end of the 95 % interval; NaN with one seed.
        high: Upper end.
        seeds: How many.
        says: What it implies for the claim, one of the values of `WORDS`.
    """

    condition: str
    mean: float
    low: float
    high: float
    seeds: int
    says: str


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim and its verdict.

    Attributes:
        claim: One short sentence, as in tutorials.
        measured: The deciding numbers, with intervals and the number of seeds.
        verdict: One of `decisions.VERDICTS`.
        why: The conditions that differ, or the reason; may be empty.
        source: Who makes the claim; empty for a question without a source.
        kind: `"claim"`, made by a source in the words of `quote`; `"question"`, without a source;
            or `"fact"`, a formula or a behavior of the API, which needs no interval.
        url: Where the source says so.
        quote: The source's words.
        numbers: The measurements by condition, if the claim is about a number.
        unit: Of these.
        limit: The value that they are compared with.
        below: Whether the claim says that they are below it; otherwise above.
    """

    claim: str
    measured: str
    verdict: str
    why: str = ""
    source: str = ""
    kind: str = QUESTION
    url: str = ""
    quote: str = ""
    numbers: tuple[Number, ...] = ()
    unit: str = ""
    limit: float = 0.0
    below: bool = False


def judged(
    claim: str,
    changes: Mapping[str, Interval],
    *,
    source: Citation | None = None,
    unit: str = "points",
    digits: int = 1,
    margin: float = 0.0,
) -> Claim:
    """Judges a claim that differences are above zero, or, with a margin, that no loss exceeds it.

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

    >>> import numpy as np
    >>> from experiments.lab.intervals import interval
    >>> wide, small = interval(np.array([4.0, 5.0, 6.0, 5.0])), interval(np.array([-4.0, 5.0, 6.0, 1.0]))
    >>> found = judged("More images are better.", {"8 images": wide, "1 image": small})
    >>> found.measured
    '8 images: +5.0 [3.7, 6.3]; 1 image: +2.0 [-5.2, 9.2] points (4 seeds)'
    >>> found.verdict, found.why
    ('shown only there', 'holds: 8 images; cannot tell: 1 image')
    """
    tested = {condition: change.plus(margin) for condition, change in changes.items()}
    equivalent = MARGIN if unit == "points" and not margin else None
    decisions = decided(tested, equivalent)
    seeds = sorted({change.seeds for change in changes.values()})
    numbers = "; ".join(f"{condition}: {change.text(digits)}" for condition, change in changes.items())
    found = _claim(
        claim,
        f"{numbers} {unit} ({counted(seeds, 'seed')})",
        verdict_of(tested, decisions),
        "; ".join([*_reasons(decisions), *_allowed(margin, unit), *_too_few(changes)]),
        source,
    )
    return dataclasses.replace(found, numbers=_numbers(changes, decisions), unit=unit, limit=-margin)


def judged_below(
    claim: str,
    values: Mapping[str, Interval],
    limit: float,
    *,
    unit: str,
    source: Citation | None = None,
    digits: int = 1,
) -> Claim:
    """Judges a claim that a measurement is below a limit under every condition.

    Args:
        claim: In one sentence.
        values: The measurement by condition.
        limit: The upper limit implied by the claim.
        unit: Of the values.
        source: Who says so.
        digits: After the decimal point.

    Example:

    >>> import numpy as np
    >>> from experiments.lab.intervals import interval
    >>> ten = interval(np.array([9.0, 10.0, 11.0, 10.0]))
    >>> found = judged_below("It is useless.", {"batch size 1": ten}, 15.0, unit="%")
    >>> found.measured, found.verdict
    ('batch size 1: 10.0 [8.7, 11.3] % (limit: 15 %)', 'holds')
    """
    room = {name: value.negative().plus(limit) for name, value in values.items()}
    found = judged(claim, room, source=source, unit=unit)
    shown = "; ".join(f"{name}: {value.text(digits, signed=False)}" for name, value in values.items())
    return dataclasses.replace(
        found,
        measured=f"{shown} {unit} (limit: {limit:g} {unit})",
        numbers=_numbers(values, decided(room)),
        limit=limit,
        below=True,
    )


def judged_facts(
    claim: str, facts: Mapping[str, bool], measured: str, source: Citation | None = None
) -> Claim:
    """Judges a formula, or a behavior of the API, that either holds or does not in each situation.

    Args:
        claim: In one sentence.
        facts: Whether it held, by situation.
        measured: A description of the observations.
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
    return dataclasses.replace(_claim(claim, measured, verdict, why, source), kind=FACT)


def unmeasured(claim: str, measured: str, why: str, source: Citation | None = None) -> Claim:
    """A claim without a verdict, because its arms or conditions did not run."""
    return _claim(claim, measured, UNDECIDED, why, source)


def _claim(claim: str, measured: str, verdict: str, why: str, source: Citation | None) -> Claim:
    if source is None:
        return Claim(claim, measured, verdict, why)
    return Claim(claim, measured, verdict, why, source.source, CLAIM, source.url, source.quote)


def _numbers(values: Mapping[str, Interval], decisions: Mapping[str, str]) -> tuple[Number, ...]:
    return tuple(
        Number(name, each.mean, each.low, each.high, each.seeds, WORDS[decisions[name]])
        for name, each in values.items()
    )


def _reasons(decisions: Mapping[str, str]) -> list[str]:
    """The conditions grouped by their decisions; empty if all are the same."""
    groups = {
        word: [c for c, decision in decisions.items() if decision == kind] for kind, word in WORDS.items()
    }
    listed = [f"{word}: {', '.join(conditions)}" for word, conditions in groups.items() if conditions]
    return listed if len(listed) > 1 else []


def _allowed(margin: float, unit: str) -> list[str]:
    return [f"a loss of up to {margin:g} {unit} is allowed"] if margin else []


def _too_few(changes: Mapping[str, Interval]) -> list[str]:
    few = [condition for condition, change in changes.items() if change.seeds < LEAST_SEEDS]
    return [f"fewer than {LEAST_SEEDS} seeds: {', '.join(few)}"] if few else []
