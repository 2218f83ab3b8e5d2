"""Timing things against each other fairly: in one process, by turns, medians."""

import dataclasses
import time
from collections.abc import Callable, Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class Timing:
    """How long one way of doing a thing took.

    Attributes:
        median: Seconds a call.
        spread: Interquartile range in seconds.
        ratio: Median of the ratio to the baseline's call in the same round.
        ratio_spread: Interquartile range of that ratio.
        rounds: How many calls were timed.
    """

    median: float
    spread: float
    ratio: float
    ratio_spread: float
    rounds: int

    def __str__(self) -> str:
        return (
            f"{1e3 * self.median:9.3f} ms ± {1e3 * self.spread:.3f}   "
            f"ratio {self.ratio:.4f} ± {self.ratio_spread:.4f}   ({self.rounds} rounds)"
        )


def interleaved(ways: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 2) -> dict[str, Timing]:
    """Calls the ways by turns and compares them with the first.

    The machine's speed changes over seconds (other processes, heat), so ways timed one
    after another are not comparable; calls of one round, milliseconds apart, are. The
    order alternates between rounds, so that no way always comes first.

    Args:
        ways: What to time, by name. The first is the baseline. A call must have finished
            its work when it returns.
        rounds: How often each is called.
        warm_up: Rounds that are not counted (tracing, caches).

    Returns:
        A `Timing` for each way, in the same order.
    """
    names = list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warm_up, rounds):
        for name in names if turn % 2 else reversed(names):
            start = time.perf_counter()
            ways[name]()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    baseline = np.array(seconds[names[0]])
    return {name: _timing(np.array(seconds[name]), baseline) for name in names}


def _timing(seconds: np.ndarray, baseline: np.ndarray) -> Timing:
    ratios = seconds / baseline
    return Timing(
        float(np.median(seconds)),
        _interquartile_range(seconds),
        float(np.median(ratios)),
        _interquartile_range(ratios),
        len(seconds),
    )


def _interquartile_range(values: np.ndarray) -> float:
    return float(np.subtract(*np.quantile(values, [0.75, 0.25])))
