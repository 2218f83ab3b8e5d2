"""The check for moving statistics that lag behind the batches' own."""

from collections.abc import Iterator, Sequence

import numpy as np

from tfbn.diagnosis import null
from tfbn.diagnosis.batch_measurements import LEAST, Looks, Use, by_channels
from tfbn.diagnosis.differences import Pairs, exceeding, in_order
from tfbn.diagnosis.finding import Finding, fault

LAGS = 1.0  # variances between the batches' mean and the moving mean, or squared nats


def lagging(looks: Looks) -> Iterator[Finding]:
    """The moving statistics follow the batches' from far behind, other than by where they started.

    A moving average after k updates is `momentum^k start + (1 - momentum^k) average`, so the
    average of what the batches had comes out without the start. It may still lag, if the
    batches' statistics change faster than it follows: then those of early batches are as far from the
    late ones. Variances with a long tail also lie far below their average, but stay where they are.
    """
    if len(looks.steps) < 2 * LEAST:
        return
    latest, before = looks.last(LEAST), looks.last(2 * LEAST).first(LEAST)
    # Where several calls take turns, the moving statistics are between them, and do not lag.
    alone = (group[0] for group in looks.by_layer() if len(group) == 1 and group[0].updates)
    found: dict[Use, null.Excess] = {}
    for uses in by_channels(alone):
        behind = exceeding_lag(uses, mismatch(latest, uses, looks.without_start(uses, latest)))
        for differences in (
            lambda uses: mismatch(before, uses, looks.without_start(uses, before)),
            lambda uses: _travelled(looks, uses),
        ):
            uses = list(behind)
            behind = {use: behind[use] for use in exceeding_lag(uses, differences(uses))} if uses else {}
        found |= behind
    yield from lagging_finding(in_order(found))


def _travelled(looks: Looks, uses: Sequence[Use]) -> Pairs:
    """From what the batches' statistics were in the first looks to what they are now."""
    then, now = looks.first(LEAST).halves(*uses), looks.last(LEAST).halves(*uses)
    scale = np.sqrt(now.variance.mean(0))
    of_means = null.between_windows(then.mean / scale, now.mean / scale)
    of_variances = null.between_windows(then.log_variance, now.log_variance)
    return list(zip(of_means, of_variances, strict=True))


def lagging_finding(behind: list[tuple[str, null.Excess]]) -> Iterator[Finding]:
    """The finding for layers whose moving statistics are behind."""
    if behind:
        worst = max((each for _, each in behind), key=lambda each: each.effect)
        yield fault(
            "lagging-statistics",
            tuple(path for path, _ in behind),
            f"the batches' statistics are {np.sqrt(worst.effect):.1f} standard deviations (or nats of the "
            f"variance) away from the moving ones, {np.sqrt(worst.ratio):.0f} times what sampling gives",
            f"less than {np.sqrt(LAGS):.1f}",
            "The batches' statistics change faster than the moving statistics, by which predict normalizes.",
            "layer.momentum = 0.9  # or a smaller learning rate, or tfbn.recalibrate(model, images)",
        )


def mismatch(looks: Looks, uses: Sequence[Use], moving: tuple[np.ndarray, np.ndarray] | None = None) -> Pairs:
    """The difference between the batches' statistics and the moving ones, if it has one sign in all looks.

    Args:
        looks: Some steps.
        uses: Calls of layers, with equal numbers of channels.
        moving: The moving mean and variance to compare with; None: as they are.

    Returns:
        That of the mean and that of the variance, for each use.
    """
    halves, (mean, variance) = looks.halves(*uses), moving or looks.moving(*uses)
    of_means = null.systematic((halves.mean - mean) / np.sqrt(halves.variance))
    of_variances = null.systematic(halves.log_variance - np.log(variance))
    return list(zip(of_means, of_variances, strict=True))


def exceeding_lag(uses: Sequence[Use], differences: Pairs) -> dict[Use, null.Excess]:
    """The larger difference of those uses whose statistics are so far apart that they lag."""
    return exceeding(uses, differences, LAGS, null.HALF_SURE)
