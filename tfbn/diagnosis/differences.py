"""Differences of means and of variances at several layers, and those that count."""

from collections.abc import Mapping, Sequence

from tfbn.diagnosis import null
from tfbn.diagnosis.batch_measurements import Use

Pairs = list[tuple[null.Excess, null.Excess]]  # of means and of variances, for each use of a layer


def exceeding(
    uses: Sequence[Use], differences: Pairs, effect: float, probability: float = null.SURE
) -> dict[Use, null.Excess]:
    """The uses where one of both differences exceeds, with the larger one that does."""
    found = {
        use: null.largest(pair, effect, probability) for use, pair in zip(uses, differences, strict=True)
    }
    return {use: each for use, each in found.items() if each is not None}


def in_order(found: Mapping[Use, null.Excess]) -> list[tuple[str, null.Excess]]:
    """Paths of layers in the order of their calls, with what was found there."""
    return [(use.path, found[use]) for use in sorted(found, key=lambda use: use.place or 0)]
