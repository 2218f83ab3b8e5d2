"""The summary: BatchNorm in inference mode before training, and when it becomes usable."""

from pathlib import Path
from typing import Any

import pandas as pd

from ..lab.experiment import Summary
from ..lab.intervals import Interval
from ..lab.verdicts import Claim, judged, judged_facts
from .figures import figures
from .tables import MODES, gap, gap_table, momentum_of, scale_table, steps_text, usable_table

EXACT = 1e-5  # of the input's root mean square: equal to float32 rounding
EVEN = 4.0  # a signal is of even scale if its largest over its least scale is at most this
NEAR = 0.1  # of the distance: batch noise makes the moving statistics miss the closed form


def summarize(config: Any, results: pd.DataFrame, folder: Path) -> Summary:
    """The `Summary` of `untrained_inference`; accuracies in percent, differences in points."""
    scales = pd.read_parquet(folder / "scales.parquet")
    steps = pd.read_parquet(folder / "steps.parquet")
    accuracies = ["accuracy_inference", "accuracy_batch"]
    steps[accuracies] *= 100
    steps["gap"] = steps.accuracy_inference - steps.accuracy_batch
    trained = results[results.usable_training.notna() | results.closed_form_error.notna()]
    deep = results[results.identity_error.notna()]
    return Summary(
        findings=findings(config, deep, trained, steps),
        tables=[
            ("The signal before each BatchNorm of an untrained network", scale_table(deep, scales)),
            ("Steps until inference mode is usable", usable_table(config, trained)),
            ("Inference mode minus batch statistics, test accuracy, points", gap_table(steps)),
        ],
        figures=figures(scales, steps),
        limits=[
            f"Networks as initialized after He et al., on {config.source.name} in "
            f"{config.image_size}x{config.image_size} pixels; another initialization gives other scales.",
            f"Training is of {config.trained} with Adam at {config.learning_rate:g}. Where weights change "
            "faster, the statistics lag longer behind them; the second phase, weights held, leaves that out.",
            f"Usable means within {config.margin:g} points of the accuracy by batch statistics at this look "
            "and all later ones. Looks are at powers of two, so a number of steps is right within a factor "
            "of two.",
        ],
        claims=claims(config, deep, trained, steps),
    )


def findings(config: Any, deep: pd.DataFrame, trained: pd.DataFrame, steps: pd.DataFrame) -> list[str]:
    """Sentences that follow from the numbers."""
    lines = []
    for mode, label in MODES.items():
        spread = deep.groupby("arm", sort=False)[f"spread_{mode}"].mean()
        parts = ", ".join(f"{network} {value:.3g}" for network, value in spread.items())
        lines.append(f"Untrained, {label}: the largest over the least scale before a BatchNorm is {parts}.")
    for arm in dict.fromkeys(trained.arm):
        part = trained[trained.arm == arm]
        last = steps[(steps.arm == arm) & (steps.phase == "weights train") & (steps.step == config.steps)]
        training, held = (steps_text(part[f"usable_{p}"], config.steps) for p in ("training", "held"))
        lines.append(
            f"Momentum {momentum_of(arm):g}: steps until inference mode is usable: {training} while the "
            f"weights train, {held} with the weights held and statistics from (0, 1); after {config.steps} "
            f"steps of training it is {gap(last).text()} points from batch statistics."
        )
    return lines


def claims(config: Any, deep: pd.DataFrame, trained: pd.DataFrame, steps: pd.DataFrame) -> list[Claim]:
    """The claims. The bounds `EXACT`, `EVEN` and `NEAR` and the margin are fixed beforehand."""
    error = deep.groupby("arm", sort=False).identity_error.max()
    spread = {mode: deep.groupby("arm", sort=False)[f"spread_{mode}"].mean() for mode in MODES}
    even = {
        f"{net}, {MODES[m]}": bool(v <= EVEN) for m, values in spread.items() for net, v in values.items()
    }
    missed = trained.groupby("arm", sort=False).closed_form_error.mean()
    learning = steps[(steps.phase == "weights train") & (steps.step > 0)]
    late = {
        f"momentum {momentum_of(arm):g}, step {step}": _gap(learning, arm, step)
        for arm in dict.fromkeys(learning.arm)
        for step in sorted({16, 128, config.steps} & set(learning.step))
    }
    return [
        judged_facts(
            "A BatchNorm that never trained only divides by sqrt(1 + epsilon) in inference mode.",
            {str(net): bool(value <= EXACT) for net, value in error.items()},
            f"largest deviation over all layers {error.max():.1e} of the input's scale",
        ),
        judged_facts(
            "BatchNorm keeps the signal of even scale through a deep network, also before training.",
            even,
            "; ".join(f"{m}: {', '.join(f'{n} {v:.3g}' for n, v in s.items())}" for m, s in spread.items())
            + f" (largest over least scale; even: at most {EVEN:g})",
        ),
        judged_facts(
            "After k steps the moving statistics have gone 1 - momentum^k of the way.",
            {f"momentum {momentum_of(str(arm)):g}": bool(value <= NEAR) for arm, value in missed.items()},
            "; ".join(f"{momentum_of(str(arm)):g}: off by {v:.3f}" for arm, v in missed.items())
            + f" of the way at most, weights held (allowed: {NEAR:g})",
        ),
        judged(
            "Validating in inference mode (training=False) shows what the network has learned so far.",
            late,
            margin=config.margin,
        ),
    ]


def _gap(steps: pd.DataFrame, arm: str, step: int) -> Interval:
    return gap(steps[(steps.arm == arm) & (steps.step == step)])
