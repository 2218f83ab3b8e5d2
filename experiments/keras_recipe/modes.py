"""The mode that every layer was in during `fit`, inferred from its state afterwards."""

from typing import Any

import pandas as pd

from ..lab import plots
from ..lab.curves import curves
from ..lab.differences import paired
from ..lab.intervals import mean_and_sd

STEPS = ("frozen", "unfrozen")
INFERENCE, TRAINING, MIXED = "inference mode", "training mode", "either, by layer or run"


class Modes:
    """Modes in `fit` by arm and step: a layer whose statistics moved by one bit was in training mode.

    Args:
        results: One row per run, with `dropout_on_<step>`.
        layers: One row for each run, step and BatchNorm, with `part` and `moved`.

    Attributes:
        arms: The ways to write the model that ran.
        versions: Of Keras, as text.
        runs: How many runs each arm has.
    """

    def __init__(self, results: pd.DataFrame, layers: pd.DataFrame):
        self._results, self._layers = results, layers
        self.arms = tuple(dict.fromkeys(results.arm))
        self.versions = ", ".join(dict.fromkeys(layers.keras))
        self.runs = len(results) // len(self.arms)

    def part(self, arm: str, step: str, part: str) -> pd.DataFrame:
        """The rows of the base's or the head's layers."""
        found = self._layers
        return found[(found.arm == arm) & (found.step == step) & (found.part == part)]

    def keeps(self, arm: str, step: str) -> bool:
        """Whether no statistic of the base moved by one bit, in any run."""
        return not self.part(arm, step, "base").moved.any()

    def moved(self, arm: str, step: str) -> str:
        """The number of the base's layers that moved, over all runs, and how far."""
        base = self.part(arm, step, "base")
        far = f", means by up to {base.mean_shift.max():.2f} sd" if base.moved.any() else ""
        return f"{base.moved.sum()} of {len(base)} layers' moving statistics moved{far}"

    def dropout(self, arm: str, step: str) -> str:
        """Whether the head's Dropout drew random numbers."""
        on = self._results[self._results.arm == arm][f"dropout_on_{step}"]
        return {0.0: "off", 1.0: "on"}.get(float(on.mean()), "on in some runs")

    def leak(self, arm: str) -> str:
        """The parts of the head that were not in training mode in `fit`; empty if none."""
        found = []
        if any(mode(self.part(arm, step, "head").moved) != TRAINING for step in STEPS):
            found.append("its BatchNorm does not update")
        if any(self.dropout(arm, step) != "on" for step in STEPS):
            found.append("its Dropout is off")
        return " and ".join(found)


def mode(moved: pd.Series) -> str:
    """The mode of layers, inferred from whether each moved."""
    return TRAINING if moved.all() else MIXED if moved.any() else INFERENCE


def behavior_table(modes: Modes, arms: list[str]) -> pd.DataFrame:
    """One row for each arm and step: the mode of the base and the head in fit, over all runs."""
    return pd.DataFrame(
        {
            "model": arm,
            "base is": step,
            "base BatchNorm": mode(modes.part(arm, step, "base").moved),
            "largest mean shift, sd": f"{modes.part(arm, step, 'base').mean_shift.max():.2f}",
            "head BatchNorm": mode(modes.part(arm, step, "head").moved),
            "head Dropout": modes.dropout(arm, step),
        }
        for arm in arms
        for step in STEPS
    )


def layer_table(layers: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """For each layer and arm, base unfrozen: "held" to the bit, or how far its mean went (mean over runs)."""
    part = layers[layers.step == STEPS[1]]

    def cell(layer: str, arm: str) -> str:
        rows = part[(part.layer == layer) & (part.arm == arm)]
        if not rows.moved.any():
            return "held"
        share = "" if rows.moved.all() else f" in {rows.moved.sum()}/{len(rows)} runs"
        return f"moved {rows.mean_shift.mean():.2f} sd{share}"

    layers_in_order = dict.fromkeys(part.layer)
    return pd.DataFrame({"layer": at, **{arm: cell(at, arm) for arm in arms}} for at in layers_in_order)


def accuracy_table(results: pd.DataFrame, shift: str, arms: list[str]) -> pd.DataFrame:
    """One row per arm: accuracy in inference mode after each step, and the difference to no flag."""
    rows = []
    for arm in arms:
        part = results[(results.condition == shift) & (results.arm == arm)]
        row = {"model": arm, **{f"{s}, %": mean_and_sd(part[f"test_accuracy_{s}"]) for s in STEPS}}
        compared = "no_flag" in arms and arm != "no_flag"
        change = paired(results, f"test_accuracy_{STEPS[1]}", shift, arm, "no_flag") if compared else None
        row["unfrozen minus no_flag, points"] = change.text() if change else "-"
        row["agree"] = f"{change.agree}/{change.seeds}" if change else "-"
        rows.append(row)
    return pd.DataFrame(rows)


def figures(results: pd.DataFrame, layers: pd.DataFrame, arms: list[str]) -> list[tuple[str, str, Any]]:
    """Title, caption and figure of each plot."""
    base = layers[(layers.part == "base") & (layers.step == STEPS[1])]
    drift = curves(base, "layer", "mean_shift", ("layer, from input to output", "mean shift, sd"), arms)
    accuracies = {f"test_accuracy_{step}": f"base {step}" for step in STEPS}
    return [
        (
            "Drift of the base's moving means while fit ran with the base unfrozen",
            "How far fit moved them, in standard deviations of before; zero: held. Lines: mean over seeds; "
            "bands: least to greatest. Lines of models that behave the same coincide.",
            drift,
        ),
        (
            "Test accuracy in inference mode",
            "Small marks are seeds, large marks their mean.",
            plots.by_arm(results, accuracies, arms, "test accuracy, %"),
        ),
    ]
