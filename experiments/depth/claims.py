"""Findings and claims about depth, and the rules that decide them."""

from typing import TYPE_CHECKING

from ..lab.differences import percentage, points
from ..lab.intervals import Interval, interval
from ..lab.verdicts import Claim, judged, unmeasured
from ..training.sources import DEGRADATION, HEALTHY_GRADIENTS, PAST_1000

if TYPE_CHECKING:
    import pandas as pd

SHALLOW = 20  # the depth that deeper networks are compared with, as in the paper
MARGIN = 2.0  # points of error that count as no loss
VERY_DEEP = 1000


def claims(start: "pd.DataFrame", trained: "pd.DataFrame") -> list[Claim]:
    """Every claim that these runs can decide."""
    found = []
    if with_batchnorm(start, "least"):
        more = with_batchnorm(start, "least")
        steadier = {name: change.negative() for name, change in with_batchnorm(start, "orders").items()}
        measured = {
            "BatchNorm keeps gradients from vanishing (the smallest layer's norm).": more,
            "BatchNorm steadies gradients (the range of norms over layers).": steadier,
        }
        unit = "powers of ten"
        found += [
            judged(claim, changes, unit=unit, source=HEALTHY_GRADIENTS) for claim, changes in measured.items()
        ]
    if deeper(trained, "plain"):
        found.append(
            judged(
                "Deeper plain networks train worse (train error).",
                deeper(trained, "plain"),
                source=DEGRADATION,
            )
        )
    if deeper(trained, "residual"):
        kept = {name: change.negative() for name, change in deeper(trained, "residual").items()}
        claim = "Deeper residual networks train no worse (train error)."
        found.append(judged(claim, kept, margin=MARGIN))
    return [*found, past_1000(start, trained)]


def with_batchnorm(start: "pd.DataFrame", metric: str) -> dict[str, Interval]:
    """By network and depth: the metric with BatchNorm minus without, where both are finite."""
    wide = start.pivot_table(metric, ["depth", "seed"], "arm", observed=True) if len(start) else start
    return {
        f"{kind}, {depth} layers": interval(change)
        for kind in ("plain", "residual")
        if {kind, f"{kind} without BN"} <= set(wide.columns)
        for depth, change in (wide[kind] - wide[f"{kind} without BN"]).dropna().groupby(level=0)
    }


def deeper(trained: "pd.DataFrame", arm: str) -> dict[str, Interval]:
    """Train error of each depth beyond `SHALLOW` (or the smallest) minus that at `SHALLOW`, by seed.

    Only depths that trained for the same number of steps are compared.
    """
    part = trained[trained.arm == arm] if len(trained) else trained
    if not len(part):
        return {}
    depths = sorted({int(depth) for depth in part.depth})
    base = SHALLOW if SHALLOW in depths else depths[0]
    part = part[part.step == part[part.depth == base].step.iloc[0]]
    by_depth = {int(depth): runs.set_index("seed").train_error for depth, runs in part.groupby("depth")}
    return {
        f"{depth} layers against {base}": points(errors, by_depth[base])
        for depth, errors in by_depth.items()
        if depth > base
    }


def past_1000(start: "pd.DataFrame", trained: "pd.DataFrame") -> Claim:
    """Holds if residual networks of that depth were trained and end above chance in every seed."""
    claim = "Residual networks train past 1000 layers."
    runs = trained[(trained.depth > VERY_DEEP) & (trained.arm == "residual")] if len(trained) else trained
    if len(runs):
        accuracy = percentage(100 - runs.set_index("seed").train_error).plus(-float(runs.chance.mean()))
        where = f"{runs.depth.max():.0f} layers, accuracy above chance"
        return judged(claim, {where: accuracy}, source=PAST_1000)
    deepest = [f"trained: to {trained.depth.max():.0f} layers"] if len(trained) else []
    looked = start[start.arm == "residual"] if len(start) else start
    if len(looked):
        end = looked[looked.depth == looked.depth.max()]
        deepest.append(
            f"gradients before training at {end.depth.max():.0f} layers: first over last layer "
            f"10^{end.first_over_last.mean():.1f}, range 10^{end.orders.mean():.1f}"
        )
    why = f"no network past {VERY_DEEP} layers was trained here (--depths=1202 does)"
    return unmeasured(claim, "; ".join(deepest), why, PAST_1000)


def findings(start: "pd.DataFrame", trained: "pd.DataFrame") -> list[str]:
    """Sentences with the main numbers."""
    lines = []
    for arm, part in start.groupby("arm") if len(start) else ():
        depths = "; ".join(f"{depth:.0f} layers: {_norms(runs)}" for depth, runs in part.groupby("depth"))
        lines.append(f"Gradient norms before training, {arm}. {depths}.")
    for arm, part in trained.groupby("arm") if len(trained) else ():
        depths = "; ".join(
            f"{depth:.0f} layers: {runs.train_error.mean():.1f} / {runs.test_error.mean():.1f} % "
            f"({_kind(runs)})"
            for depth, runs in part.groupby("depth")
        )
        lines.append(f"Train / test error, {arm}. {depths}.")
    return lines


def out_of_range(runs: "pd.DataFrame") -> str:
    """Whether gradients overflow or vanish in float32; empty if those of some seed do neither."""
    if runs.least.notna().any():
        return ""
    return "overflow" if runs.overflow.any() else "vanish"


def _norms(runs: "pd.DataFrame") -> str:
    if out_of_range(runs):
        share = runs.overflow if runs.overflow.any() else runs.zero
        return f"they {out_of_range(runs)} in float32, in {100 * share.mean():.0f} % of the layers"
    return (
        f"smallest 10^{runs.least.mean():.1f}, first over last layer "
        f"10^{runs.first_over_last.mean():.1f}, range 10^{runs.orders.mean():.1f}"
    )


def _kind(runs: "pd.DataFrame") -> str:
    """Classifies the errors of one network at one depth.

    Overfitting: the test error is above the train error by more than `MARGIN`. Still falling:
    the train error fell by more than `MARGIN` in the last third.
    """
    overfits = (runs.test_error - runs.train_error).mean() > MARGIN
    falls = (runs.earlier_train_error - runs.train_error).mean() > MARGIN
    untrained = runs.train_error.mean() > (100 - runs.chance.mean()) * 0.9
    words = {"hardly trained": untrained, "still falling": falls, "overfits": overfits}
    return ", ".join(word for word, applies in words.items() if applies) or "settled"
