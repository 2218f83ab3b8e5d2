"""Claims put to the test: what is said, what was measured, and what follows."""

import dataclasses
from collections.abc import Mapping

from experiments.common.statistics import Interval

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
    """

    claim: str
    measured: str
    verdict: str
    why: str = ""


def verdict_of(changes: Mapping[str, Interval]) -> str:
    """The verdict on a claim that says: this difference is above zero, whatever the condition.

    Args:
        changes: The paired difference by condition, signed so that the claim says "positive".

    Returns:
        "holds" if every interval is above zero; "only if" if some are and others are not;
        "does not hold" if none is and at least one is below zero; else that these runs
        cannot tell.

    Example:

    >>> from experiments.common.statistics import interval
    >>> higher, unclear = interval([4.0, 5.0, 6.0]), interval([-1.0, 1.0])
    >>> verdict_of({"batch size 8": higher}), verdict_of({"batch size 8": higher, "1": unclear})
    ('holds', 'only if')
    >>> verdict_of({"batch size 1": unclear})
    'these runs cannot tell'
    """
    signs = [change.sign for change in changes.values()]
    if all(sign > 0 for sign in signs):
        return HOLDS
    if any(sign > 0 for sign in signs):
        return ONLY_IF
    return FAILS if any(sign < 0 for sign in signs) else UNDECIDED
