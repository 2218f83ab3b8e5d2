"""The main job's verdicts on claims about BatchNorm in frozen layers."""

from typing import TYPE_CHECKING, Any

from tfbn.utils.words import counted

from ..lab.decisions import FAILS, HOLDS, ONLY_IF, UNDECIDED
from ..lab.differences import paired
from ..lab.intervals import Interval
from ..lab.sentences import shift_in_words
from ..lab.verdicts import FACT, Claim, judged
from ..training.arms import ARMS
from ..training.sources import KERAS_INFERENCE
from ..training.tables import gap

if TYPE_CHECKING:
    import pandas as pd

MARGIN = 2.0  # points of accuracy that "no loss" may lose
GAP = 5.0  # points between fit and inference on the same images that "carries over" allows
BUDGETS = {"test_accuracy": "short budget", "converged_accuracy": "converged head"}


def claims(config: Any, results: "pd.DataFrame") -> list[Claim]:
    """The claims that the arms which ran can decide.

    Args:
        config: The main job's options.
        results: With accuracies in percent, and `gap`.
    """
    made = [_learns_nothing(results), *_differences(config, results), _drift_tells(config, results)]
    return [claim for claim in made if claim is not None]


def _learns_nothing(results: "pd.DataFrame") -> Claim | None:
    """Rule: fails if gamma or beta of a frozen arm moved; holds if no moving statistic did either."""
    frozen = results[results.arm.map(lambda arm: not ARMS[arm].trainable)]
    if frozen.empty:
        return None
    moved = {name: frozen[f"{name}_moved"].groupby(frozen.arm).max() > 0 for name in ("affine", "statistics")}
    updating = [arm for arm, did in moved["statistics"].items() if did]
    holding = [arm for arm, did in moved["statistics"].items() if not did]
    fails = moved["affine"].any() or not holding
    held = f"the moving statistics are held in {', '.join(holding) or 'none'}; they move in "
    return Claim(
        "Frozen layers' BatchNorm does not learn.",
        f"gamma and beta moved in {int((frozen.affine_moved > 0).sum())} of {len(frozen)} runs with frozen "
        f"layers, moving statistics in {int((frozen.statistics_moved > 0).sum())}",
        FAILS if fails else ONLY_IF if updating else HOLDS,
        f"{held}{', '.join(updating)}" if updating else "",
        kind=FACT,
    )


def _differences(config: Any, results: "pd.DataFrame") -> list[Claim | None]:
    steps = config.epochs * -(-config.images_to_train_on // config.batch_size)
    slow = ARMS["batch_slow"].momentum

    def changes(arm: str, reference: str, budgets: Any = ("test_accuracy",)) -> dict[str, Interval]:
        if not {arm, reference} <= set(config.arms):
            return {}
        return {
            f"{shift_in_words(shift)} ({BUDGETS[metric]})": paired(results, metric, shift, arm, reference)
            for metric in budgets
            for shift in config.shifts
        }

    carried = {
        f"{arm} at {shift_in_words(shift)}": gap(part).negative()
        for arm in ("batch", "batch_held")
        for shift in config.shifts
        if len(part := results[(results.arm == arm) & (results.condition == shift)])
    }
    keep = "Keep frozen layers' BatchNorm in inference mode: better than training=True at momentum"
    tests: list[tuple[str, dict[str, Interval], dict[str, Any]]] = [
        (f"{keep} {slow}, Keras's default.", changes("inference", "batch_slow", BUDGETS),
         {"source": KERAS_INFERENCE}),
        (f"{keep} {config.momentum:g}.", changes("inference", "batch", BUDGETS), {"source": KERAS_INFERENCE}),
        ("Frozen layers may run with training=True in fit and with training=False afterwards: "
         "accuracy carries over from fit to inference.", carried,
         {"margin": GAP}),
        (f"The default momentum {slow} is fine on a short run ({steps} steps).",
         changes("batch_slow", "batch"), {"margin": MARGIN}),
        ("Recalibrating the statistics once is as good as updating them all along.",
         changes("recalibrated", "batch"), {"margin": MARGIN}),
    ]  # fmt: skip
    return [judged(claim, measured, **how) if measured else None for claim, measured, how in tests]


def _drift_tells(config: Any, results: "pd.DataFrame") -> Claim | None:
    """Rule: an arm and shift has a mismatch if its gap is clearly above `GAP`; drift sees it if not 0.

    The claim holds if drift sees every mismatch, fails if it sees none, and otherwise holds only
    under a condition; without any mismatch these runs cannot tell.
    """
    seen: dict[bool, list[str]] = {True: [], False: []}
    for (shift, arm), part in results.groupby(["condition", "arm"], sort=False):
        if ARMS[arm].trainable or not gap(part).plus(-GAP).sign > 0:
            continue
        moved = f"{gap(part).mean:.0f} points at {part.mean_shift.mean():.2g} sd"
        where = f"{arm} at {shift_in_words(str(shift))} ({moved})"
        seen[bool((part.mean_shift > 0).all())].append(where)
    if seen[True] and seen[False]:
        verdict = ONLY_IF
    else:
        verdict = HOLDS if seen[True] else FAILS if seen[False] else UNDECIDED
    return Claim(
        "The drift of the moving statistics shows where fit and inference part.",
        f"gap above {GAP:g} points with drift: {'; '.join(seen[True]) or 'none'}; without any drift: "
        f"{'; '.join(seen[False]) or 'none'} ({counted(config.seeds, 'seed')})",
        verdict,
        "held statistics do not drift, however far the batch's are from them" if seen[False] else "",
    )
