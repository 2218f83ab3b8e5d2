"""An audit's advice for a batch size and a number of steps: how far statistics will move, what to try."""

import importlib.metadata
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfbn.auditing.rules import DEAD, FEW, Facts, values_per_channel
from tfbn.layers import modes
from tfbn.utils.words import counted

if TYPE_CHECKING:
    from tfbn.auditing.table import Row

ARRIVED = 0.95  # of the way to the target's statistics; less leaves fit and predict apart
GUIDE = "docs/guide.md"
MANY = 8 * FEW  # values per channel; the batch's mean is then off by a tenth of a standard deviation


def advice(facts: Sequence[Facts], rows: Sequence["Row"], steps: int | None) -> Iterator[str]:
    """One sentence each for a model's BatchNormalization.

    After `k` updates with momentum `m`, a moving statistic has covered `1 - m**k` of the distance
    from its start to the batches' value.

    Args:
        facts: Of each BatchNormalization.
        rows: The same layers' rows.
        steps: Training steps; None if unknown.
    """
    yield from _momentum(facts, rows, steps)
    yield from _smallest(facts, rows)
    yield from _dead(facts)
    yield f"What to do in which situation, with numbers: {_guide()}"


def _guide() -> str:
    """The page's address from the package's metadata; in a bare checkout, its path."""
    try:
        about = importlib.metadata.metadata("tfbn")
    except importlib.metadata.PackageNotFoundError:
        return GUIDE
    return f"{about['Home-page']}/blob/main/{GUIDE}" if "Home-page" in about else GUIDE


def _momentum(facts: Sequence[Facts], rows: Sequence["Row"], steps: int | None) -> Iterator[str]:
    if steps is None:
        return
    pairs = [(each.layer, row) for each, row in zip(facts, rows, strict=True) if row.fit.updates]
    if not pairs:
        held = "all of them" if rows else "none"
        held_words = f"do not move ({held} held): predict uses the current ones."
        yield f"In {counted(steps, 'step')} the moving statistics {held_words}"
        return
    for momentum in sorted({layer.momentum for layer, _ in pairs}):
        layers = [row for layer, row in pairs if layer.momentum == momentum]
        way = 1 - momentum**steps
        said = (
            f"After {counted(steps, 'step')} at momentum {momentum:g}, the moving statistics of "
            f"{counted(len(layers), 'layer')} "
            f"have covered {way:.1%} of the distance to the batches' (1 - momentum^steps)"
        )
        if way >= ARRIVED:
            yield f"{said}."
            continue
        better = math.floor(1000 * (1 - ARRIVED) ** (1 / steps)) / 1000
        yield (
            f"{said}: predict would normalize by values in between. Try momentum={better:g} or less "
            f"({ARRIVED:.0%} of the distance), or tfbn.recalibrate(model, x_train) at the end."
        )


def _smallest(facts: Sequence[Facts], rows: Sequence["Row"]) -> Iterator[str]:
    known = [
        (values, row)
        for each, row in zip(facts, rows, strict=True)
        if (values := values_per_channel(each)) is not None
    ]
    if not known:
        return
    values, row = min(known, key=lambda pair: pair[0])
    said = (
        f"The fewest values per channel in a batch (N*H*W): {values:,}, at {row.path!r}: a batch's mean "
        f"is off by {1 / math.sqrt(values):.2f} standard deviations"
    )
    if values < MANY and row.fit.normalizes_by == "batch":
        yield f"{said}. Try training=False (tfbn.freeze), or a larger batch."
    else:
        yield f"{said}{'' if row.fit.normalizes_by == 'batch' else '; fit does not use it there'}."


def _dead(facts: Sequence[Facts]) -> Iterator[str]:
    dead = total = 0
    for each in facts:
        variance = np.asarray(each.layer.moving_variance)
        dead, total = dead + int(np.sum(variance < DEAD)), total + len(variance)
    by_batch = any(_by_batch(each) for each in facts)
    if dead:
        then = ": harmless while the batch normalizes" if by_batch else ""
        yield (
            f"{dead} of {total} channels are dead (moving variance below {DEAD:g}){then}; if the new data "
            "activates them, training=False multiplies them by up to 1/sqrt(epsilon). Try tfbn.choose, which "
            "compares the target's statistics with these."
        )


def _by_batch(facts: Facts) -> bool:
    return modes.of_layer(facts.layer).normalizes_by == "batch"
