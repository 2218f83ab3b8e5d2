"""Tables that the experiments on frozen layers share: accuracy, behavior, limits."""

from pathlib import Path
from typing import Any

import pandas as pd

from tfbn.utils.words import counted

from ..lab.differences import paired, points
from ..lab.intervals import Interval, mean_and_sd
from .arms import ARMS, Arm

REFERENCE = "inference"
SHORT, CONVERGED = "test_accuracy", "converged_accuracy"


def with_percentages(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracies in percent, and the gap between what `fit` reports and what `predict` gives."""
    results = results.copy()
    accuracies = [name for name in results.columns if "accuracy" in name]
    results[accuracies] *= 100
    results["gap"] = results.fit_accuracy - results.train_accuracy
    return results


def gap(part: pd.DataFrame) -> Interval:
    """Accuracy in `fit` minus in inference mode, on the same training images."""
    runs = part.set_index("seed")
    return points(runs.fit_accuracy, runs.train_accuracy)


def arms_table(arms: list[str], results: pd.DataFrame) -> pd.DataFrame:
    """What each arm does with the pretrained layers, and whether they ran in every step to do it."""
    once = results.groupby("arm").frozen_part_computed_once.min()
    ran = [_when_computed(ARMS[arm], once[arm]) for arm in arms]
    says = [ARMS[arm].says for arm in arms]
    return pd.DataFrame({"arm": arms, "pretrained layers": says, "which are computed": ran})


def _when_computed(arm: Arm, once: float) -> str:
    if not once:
        return "in every step"
    if arm.training:
        return "in every step, in one pass for all arms that normalize by the batch"
    return "once, before training (tfbn.cache_features)"


def accuracy_table(
    results: pd.DataFrame, shift: str, arms: list[str], reference: str = REFERENCE
) -> pd.DataFrame:
    """One row per arm: mean and sd at both budgets, and the paired difference to the reference."""

    def row(arm: str) -> dict[str, str]:
        part = of_arm(results, shift, arm)
        cells = {"arm": arm}
        for metric, budget in ((SHORT, "short"), (CONVERGED, "converged")):
            compared = reference in arms and arm != reference
            change = paired(results, metric, shift, arm, reference) if compared else None
            cells[f"{budget}, %"] = mean_and_sd(part[metric])
            cells[f"{budget} minus {reference}, points"] = change.text() if change else "-"
            cells[f"agree ({budget})"] = f"{change.agree}/{change.seeds}" if change else "-"
        return cells

    return pd.DataFrame([row(arm) for arm in arms])


def behavior_table(results: pd.DataFrame, shift: str, arms: list[str]) -> pd.DataFrame:
    """One row per arm: fit against inference on the same images, drift, mismatch, time."""

    def row(arm: str) -> dict[str, str]:
        part = of_arm(results, shift, arm)
        return {
            "arm": arm,
            "train in fit, %": f"{part.fit_accuracy.mean():.1f}",
            "inference, %": f"{part.train_accuracy.mean():.1f}",
            "gap, points": f"{part.gap.mean():+.1f}",
            "test by batch, %": mean_and_sd(part.test_accuracy_batch),
            "drift, sd": f"{part.mean_shift.mean():.2f}",
            "mismatch, nats per channel": f"{part.mismatch.mean():.3f}",
            "statistics": _moved(part.statistics_moved),
            "gamma, beta": _moved(part.affine_moved),
            "fit, s": f"{part.fit_seconds.mean():.1f}",
        }

    return pd.DataFrame([row(arm) for arm in arms])


def limits(config: Any) -> list[str]:
    """What the run cannot show, whatever its numbers."""
    return [
        f"The short budget is {counted(config.epochs, 'epoch')} of Adam on "
        f"{counted(config.images_to_train_on, 'image')}. A "
        "difference there mixes what the features are worth with how fast a head learns on them; the "
        "converged head tells the two apart.",
        f"One network ({Path(config.model).name}), one data set ({config.target_name}), "
        f"{counted(config.seeds, 'seed')}. The intervals cover the draw of images, the initial head, the "
        "order of batches and, where each seed has pretrained weights of its own, the pretraining. They do "
        "not cover other networks or other data, where the answer can be another: "
        "`python -m experiments.real_scale` compares some.",
    ]


def of_arm(results: pd.DataFrame, shift: str, arm: str) -> pd.DataFrame:
    """The rows of one arm under one condition."""
    return results[(results.condition == shift) & (results.arm == arm)]


def _moved(change: pd.Series) -> str:
    moved = int((change > 0).sum())
    return {0: "unmoved", len(change): "moved"}.get(moved, f"moved in {moved}/{len(change)}")
