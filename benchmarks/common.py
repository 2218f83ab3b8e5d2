"""Fair timing: interleaved calls in one process, compared by medians."""

import dataclasses
import importlib
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison, a row of the table.

    Attributes:
        what: The task, such as "ResNet-20, train step".
        baseline: How stock Keras, or another reference, does it.
        ours: How tfbn does it.
        ratio: Median over rounds of tfbn / baseline in the same round; below 1 is better.
        spread: Interquartile range of that ratio.
        rounds: How many rounds.
        baseline_value: Median of the baseline, in `unit`.
        value: Median of tfbn, in `unit`.
        unit: "ms", "s" or "MiB".
        target: Upper limit for the ratio; None if it is shown for comparison only.
        own: BatchNormalization's own cost, ours over the baseline's: in each round, the time above
            that of the same network without BatchNormalization. It depends less on the processor,
            since it leaves out everything else.
        own_spread: Interquartile range of that.
        own_target: Upper limit for it.
    """

    what: str
    baseline: str
    ours: str
    ratio: float
    spread: float
    rounds: int
    baseline_value: float
    value: float
    unit: str = "ms"
    target: float | None = None
    own: float | None = None
    own_spread: float | None = None
    own_target: float | None = None

    def __str__(self) -> str:
        target = "" if self.target is None else f"   target {self.target}"
        own = "" if self.own is None else f"   own cost {self.own:.3f} ± {self.own_spread:.3f}"
        values = f"{self.baseline_value:.4g} -> {self.value:.4g} {self.unit}"
        return f"{self.what} [{self.ours}]: {self.ratio:.3f} ± {self.spread:.3f}   {values}{target}{own}"


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to do a task.

    Attributes:
        says: Description for the table.
        call: Does the task; must return only when the work is finished.
        target: Upper limit for its ratio to the first way.
        own_target: Upper limit for its own cost over that of the first way; see `Row`.
    """

    says: str
    call: Callable[[], object]
    target: float | None = None
    own_target: float | None = None


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 2,
    clock: Callable[[Callable[[], Any]], float] = _seconds,
) -> dict[str, np.ndarray]:
    """Times interleaved calls, in seconds.

    The machine's speed changes over seconds (other processes, heat), so ways timed one after another
    are not comparable, but calls of one round, milliseconds apart, are. The order alternates between
    rounds, so that none always comes first.

    Args:
        calls: The calls to time, by name.
        rounds: How often each is called.
        warm_up: Rounds that are not counted (tracing, caches).
        clock: Makes a call and returns its seconds.

    Returns:
        For each name, the seconds of each round.
    """
    names = list(calls)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warm_up, rounds):
        for name in names if turn % 2 else reversed(names):
            taken = clock(calls[name])
            if turn >= 0:
                seconds[name].append(taken)
    return {name: np.array(values) for name, values in seconds.items()}


def compare(
    what: str,
    baseline: Way,
    *others: Way,
    rounds: int,
    warm_up: int = 2,
    floor: Way | None = None,
    clock: Callable[[Callable[[], Any]], float] = _seconds,
) -> list[Row]:
    """Times interleaved ways; returns one `Row` for each of the others against the baseline.

    Args:
        what: For the table.
        baseline: The reference for the others.
        *others: The others.
        rounds: How often each is called.
        warm_up: See `interleaved`.
        floor: The same without BatchNormalization. It gets a row too, and every other row the own cost
            of BatchNormalization.
        clock: See `interleaved`.
    """
    ways = [baseline, *others, *([floor] if floor else [])]
    calls = {str(i): way.call for i, way in enumerate(ways)}
    first, *measured = interleaved(calls, rounds, warm_up, clock).values()
    rows = [
        row(what, baseline.says, way.says, (first, seconds), target=way.target)
        for way, seconds in zip(ways[1:], measured, strict=True)
    ]
    if floor is None:
        return rows
    return [
        *(
            _with_own_cost(each, (first, seconds, measured[-1]), way.own_target)
            for each, way, seconds in zip(rows, others, measured, strict=False)
        ),
        rows[-1],
    ]


def _with_own_cost(measured: Row, seconds: Sequence[np.ndarray], target: float | None) -> Row:
    baseline, ours, floor = seconds
    shares = (ours - floor) / (baseline - floor)
    spread = float(np.subtract(*np.quantile(shares, [0.75, 0.25])))
    return dataclasses.replace(measured, own=float(np.median(shares)), own_spread=spread, own_target=target)


def row(
    what: str,
    baseline: str,
    ours: str,
    pair: Sequence[Any],
    unit: str = "ms",
    target: float | None = None,
) -> Row:
    """Makes a row from paired measurements.

    Args:
        what: See `Row`.
        baseline: Likewise.
        ours: Likewise.
        pair: Measurements of the baseline and of tfbn, round by round; times in seconds.
        unit: See `Row`.
        target: Likewise.
    """
    before, after = (np.asarray(values, np.float64) for values in pair)
    ratios = after / before
    spread = float(np.subtract(*np.quantile(ratios, [0.75, 0.25])))
    scale = 1e3 if unit == "ms" else 1.0
    medians = float(np.median(before)) * scale, float(np.median(after)) * scale
    return Row(what, baseline, ours, float(np.median(ratios)), spread, len(ratios), *medians, unit, target)


def memory(peak: bool = False) -> float:
    """The memory of this process in MiB: the current value or the peak.

    On Linux, read from /proc, since the peak that `getrusage` reports for a new process starts with
    that of its parent. Elsewhere it is always the peak.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    kib = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return float(kib["VmHWM" if peak else "VmRSS"].split()[0]) / 2**10


def at_most(what: str, limit: float, ours: str, value: float, unit: str = "s") -> Row:
    """Makes a row from a single value in `unit` that has a limit but no baseline."""
    return row(what, f"{limit:g} {unit}", ours, ([limit], [value]), unit=unit, target=1.0)


# Suffix of the name of a benchmark that is repeated with oneDNN off.
WITHOUT_ONEDNN = "_onednn_off"


def run_benchmark(name: str, quick: bool) -> list[Row]:
    """The rows of one benchmark, by the name of its module."""
    return importlib.import_module(f"benchmarks.{name.removesuffix(WITHOUT_ONEDNN)}").run(quick)
