"""The rules that turn numbers into verdicts.

1. A difference is above or below zero where its two-sided p value, corrected after Holm over the
   conditions of the claim, is below `LEVEL`.
2. Two arms are equivalent where both one-sided tests put the difference within a margin, the
   larger p value corrected likewise.
3. A condition with fewer than `LEAST_SEEDS` seeds decides nothing and does not count for the
   correction.
4. A claim holds if its difference is above zero in every condition that counts, and does not hold
   if it is below zero in one and above in none. It holds only if a condition is met where it is
   above zero in one and below in another, or where the difference of two conditions, corrected
   likewise, is not zero. Above zero in some and undecided in the others, it is shown only there.
"""

from collections.abc import Mapping

from tfbn.utils.paired import corrected

from .differences import difference_of_differences
from .intervals import LEAST_SEEDS, Interval

LEVEL = 0.05
ABOVE, BELOW, EQUIVALENT, NOT_DECIDED = "above", "below", "equivalent", "not decided"
HOLDS, FAILS, ONLY_IF = "holds", "does not hold", "only if"
SHOWN, NO_DIFFERENCE, UNDECIDED = "shown only there", "no difference", "these runs cannot tell"
VERDICTS = (HOLDS, FAILS, ONLY_IF, SHOWN, NO_DIFFERENCE, UNDECIDED)


def decided(changes: Mapping[str, Interval], margin: float | None = None) -> dict[str, str]:
    """Decides for each condition whether the difference is above, below, equivalent to zero, or undecided.

    Args:
        changes: The difference by condition.
        margin: Differences within it count as zero; None: equivalence is not tested.

    Example:

    >>> import numpy as np
    >>> from experiments.lab.intervals import interval
    >>> clear, none = interval(np.array([4.0, 5.0, 6.0, 5.0])), interval(np.array([0.1, -0.1, 0.1, -0.1]))
    >>> decided({"few images": clear, "many": none}, margin=2.0)
    {'few images': 'above', 'many': 'equivalent'}
    """
    counted = {name: each for name, each in changes.items() if each.seeds >= LEAST_SEEDS}
    unlike = corrected({name: each.p_value() for name, each in counted.items()})
    alike = (
        {} if margin is None else corrected({name: each.p_beyond(margin) for name, each in counted.items()})
    )
    found = dict.fromkeys(changes, NOT_DECIDED)
    for name, each in counted.items():
        if unlike[name] < LEVEL:
            found[name] = ABOVE if each.mean > 0 else BELOW
        elif alike.get(name, 1.0) < LEVEL:
            found[name] = EQUIVALENT
    return found


def verdict_of(
    changes: Mapping[str, Interval], decisions: Mapping[str, str] | None = None, interactions: bool = True
) -> str:
    """The verdict on a claim that a difference is above zero under every condition.

    Args:
        changes: The paired difference by condition, signed so that the claim says "positive".
        decisions: The result of `decided`; None: without a margin.
        interactions: Whether a difference between two conditions can make it "only if".

    Example:

    >>> import numpy as np
    >>> from experiments.lab.intervals import interval
    >>> higher, unclear = interval(np.array([4.0, 5.0, 6.0, 5.0])), interval(np.array([-9.0, 9.0, 1.0, 5.0]))
    >>> verdict_of({"batch size 8": higher}), verdict_of({"batch size 8": higher, "1": unclear})
    ('holds', 'shown only there')
    >>> verdict_of({"batch size 8": higher, "1": higher.negative()}), verdict_of({"1": unclear})
    ('only if', 'these runs cannot tell')
    """
    decisions = decided(changes) if decisions is None else decisions
    counted = [decisions[name] for name, each in changes.items() if each.seeds >= LEAST_SEEDS]
    above, below = counted.count(ABOVE), counted.count(BELOW)
    if above and (below or (interactions and _interact(changes, decisions))):
        return ONLY_IF
    if above:
        return HOLDS if above == len(counted) else SHOWN
    if below:
        return FAILS
    return NO_DIFFERENCE if counted and counted.count(EQUIVALENT) == len(counted) else UNDECIDED


def _interact(changes: Mapping[str, Interval], decisions: Mapping[str, str]) -> bool:
    """Whether a condition above zero differs significantly from one that is not."""
    above = [changes[name] for name, decision in decisions.items() if decision == ABOVE]
    others = [changes[name] for name, decision in decisions.items() if decision != ABOVE]
    pairs = {(i, k): _between(one, other) for i, one in enumerate(above) for k, other in enumerate(others)}
    tested = {pair: each for pair, each in pairs.items() if each is not None}
    adjusted = corrected({pair: each.p_value() for pair, each in tested.items()})
    return any(adjusted[pair] < LEVEL and tested[pair].mean > 0 for pair in tested)


def _between(one: Interval, other: Interval) -> Interval | None:
    """The first minus the second, over their common seeds; None with too few."""
    first, second = dict(one.by_seed), dict(other.by_seed)
    changes = [first[seed] - second[seed] for seed in first if seed in second]
    return difference_of_differences(one, other, changes) if len(changes) >= LEAST_SEEDS else None
