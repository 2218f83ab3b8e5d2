"""Plots of the signal in untrained networks, and of moving statistics that warm up."""

from typing import Any

import pandas as pd

from ..lab.curves import curves
from .tables import MODES, momentum_of


def figures(scales: pd.DataFrame, steps: pd.DataFrame) -> list[tuple[str, str, Any]]:
    """Title, caption and figure of each plot."""
    by_mode = scales.assign(network=scales.arm.astype(str), arm=scales["mode"])
    return [
        (
            "Scale of the signal before each BatchNorm, untrained",
            "Root mean square of what reaches each BatchNorm, from input to output; lines are means over "
            "seeds, bands go from the least to the greatest. Both axes with their units: layers, and "
            "multiples on a logarithmic axis.",
            curves(by_mode, "number", "rms_in", ("BatchNorm, counted from the input", "root mean square"),
                   list(MODES), panel="network", log_y=True),
        ),
        *(
            (
                f"Accuracy while learning, {phase}",
                "Test accuracy by the moving statistics (inference mode) and by batch statistics.",
                _accuracy_curves(steps[steps.phase == phase]),
            )
            for phase in dict.fromkeys(steps.phase)
        ),
        ("How far the moving statistics have moved, weights held",
         "Share of the way from (0, 1) to the population's statistics; thin lines: 1 - momentum^steps.",
         _way(steps[steps.phase == "weights held"])),
    ]  # fmt: skip


def _accuracy_curves(steps: pd.DataFrame) -> Any:
    """One panel for each momentum, one line for each mode."""
    by_mode = [
        steps.assign(panel=steps.arm.astype(str), arm=label, accuracy=steps[f"accuracy_{mode}"])
        for mode, label in MODES.items()
    ]
    table, labels = pd.concat(by_mode), ("training step", "test accuracy, %")
    return curves(table, "step", "accuracy", labels, list(MODES.values()), panel="panel", log_x=True)


def _way(steps: pd.DataFrame) -> Any:
    """A line for each momentum, with the closed form for comparison."""
    arms, at = list(dict.fromkeys(steps.arm)), sorted(set(steps.step))
    forms = {
        f"1 - {momentum_of(arm):g}^steps": pd.Series([1 - momentum_of(arm) ** k for k in at], at)
        for arm in arms
    }
    labels = ("training step", "share of the way gone")
    return curves(steps, "step", "gone", labels, arms, panel="phase", log_x=True, references=forms)
