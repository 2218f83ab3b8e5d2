"""The summary of the main job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from tfbn.layers.modes import resolve

from ..lab import plots, sentences
from ..lab.differences import paired
from ..lab.experiment import Summary
from ..lab.sentences import shift_in_words
from ..training import shared_arrays
from ..training.arms import ALL_TRAINED, ARMS
from ..training.tables import (
    CONVERGED,
    REFERENCE,
    SHORT,
    accuracy_table,
    arms_table,
    behavior_table,
    gap,
    limits,
    of_arm,
    with_percentages,
)
from .claims import claims
from .defaults import with_defaults


def summarize(config: Any, results: "pd.DataFrame", folder: Path) -> Summary:
    """The `Summary` of `frozen_batchnorm`; accuracies in percent, differences in points."""
    config = with_defaults(config)
    shared_arrays.clear(folder)
    results = with_percentages(results)
    drift = folder / "drift.parquet"  # not among the results that the project keeps: it is large
    arms = list(config.arms)
    tables = [("Arms", arms_table(arms, results))]
    for shift in config.shifts:
        of_shift = f"{config.target_name}, {shift_in_words(shift)}"
        tables += [
            (f"Test accuracy in inference mode: {of_shift}", accuracy_table(results, shift, arms)),
            (f"What BatchNorm did: {of_shift}", behavior_table(results, shift, arms)),
        ]
    return Summary(
        findings=[finding for finding in findings(config, results) if finding],
        tables=tables,
        figures=figures(config, results, pd.read_parquet(drift)) if drift.is_file() else [],
        limits=[*limits(config), *_of_all_trained(config)],
        claims=claims(config, results),
    )


def _of_all_trained(config: Any) -> list[str]:
    if ALL_TRAINED.name in config.arms:
        return [
            f"{ALL_TRAINED.name} trains the whole network at the head's learning rate, "
            f"{config.learning_rate:g}, which was not chosen for it: fine-tuning can do better."
        ]
    return [
        f"{ALL_TRAINED.name} is not among these arms. In a network with ImageNet's weights a run of it takes "
        "as long as all others of its seed, and it needs a learning rate of its own; "
        "`python -m experiments.real_scale` trains such networks and chooses the rate on validation images."
    ]


def findings(config: Any, results: "pd.DataFrame") -> list[str]:
    """Sentences that follow from the numbers, for the arms that ran."""
    across = _Across(config, results)
    held = ARMS["batch_slow"].momentum
    return [
        _what_moved(results),
        across.differences(
            "Frozen with training=True instead of training=False, test accuracy in inference mode",
            "batch",
            REFERENCE,
            {"short budget": SHORT, "converged head": CONVERGED},
        ),
        across.sentence(
            "batch_held", "With training=True and statistics held, accuracy in fit against inference", _held
        ),
        across.differences(
            f"Momentum {held} instead of {config.momentum:g} ({_way_gone(config)}), short budget",
            "batch_slow",
            "batch",
            {"": SHORT},
        ),
        across.differences(
            "Recalibrating once instead of updating all along, short budget",
            "recalibrated",
            "batch",
            {"": SHORT},
        ),
    ]


class _Across:
    """Sentences that say one thing for every shift."""

    def __init__(self, config: Any, results: "pd.DataFrame"):
        self.shifts, self.results, self.ran = config.shifts, results, set(config.arms)

    def differences(self, what: str, arm: str, reference: str, metrics: dict[str, str]) -> str:
        if not {arm, reference} <= self.ran:
            return ""
        parts = [
            f"{', '.join(filter(None, (shift_in_words(shift), label)))}: "
            + sentences.difference(paired(self.results, metric, shift, arm, reference))
            for shift in self.shifts
            for label, metric in metrics.items()
        ]
        return f"{what}. {'; '.join(parts)}."

    def sentence(self, arm: str, what: str, say: "Callable[[pd.DataFrame], str]") -> str:
        if arm not in self.ran:
            return ""
        parts = [f"{shift_in_words(at)}: {say(of_arm(self.results, at, arm))}" for at in self.shifts]
        return f"{what}. {'; '.join(parts)}."


def _held(part: "pd.DataFrame") -> str:
    return (
        f"{part.fit_accuracy.mean():.1f} % in fit, {part.train_accuracy.mean():.1f} % in inference mode "
        f"on the same images, {gap(part).text()} points apart at a drift of "
        f"{part.mean_shift.mean():.2g} sd and a mismatch of {part.mismatch.mean():.2g} nats per channel"
    )


def _what_moved(results: "pd.DataFrame") -> str:
    held = results[results.arm.map(_holds_statistics)]
    frozen = results[results.arm.map(lambda arm: not ARMS[arm].trainable)]
    said = [
        sentences.never_moved("moving statistics", "arms that hold them", held.statistics_moved),
        sentences.never_moved("gamma and beta", "frozen arms", frozen.affine_moved),
    ]
    text = "; ".join(sentence for sentence in said if sentence)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _way_gone(config: Any) -> str:
    steps = config.epochs * -(-config.images_to_train_on // config.batch_size)
    gone = [100 * (1 - m**steps) for m in (ARMS["batch_slow"].momentum or 0, config.momentum)]
    return f"after {steps} steps the statistics have gone {gone[0]:.0f} % and {gone[1]:.0f} % of the way"


def figures(config: Any, results: "pd.DataFrame", drift: "pd.DataFrame") -> list[tuple[str, str, Any]]:
    """Accuracy by arm, the train/inference gap, and drift by layer and step."""
    arms = list(config.arms)
    drifting = [arm for arm in arms if not _holds_statistics(arm) and not ARMS[arm].trainable] or arms[:1]
    accuracies = {SHORT: "short budget", CONVERGED: "converged head"}
    modes = {"fit_accuracy": "in fit, last epoch", "train_accuracy": "in inference mode, afterwards"}
    maps = [
        (
            f"Drift of the moving mean: {shift_in_words(shift)}",
            "Root mean square over channels of the shift since the start, in standard deviations "
            "of the start. Layers from input (top) to output (bottom); mean over seeds.",
            plots.heat_maps(drift, "mean_shift", "mean shift, sd", shift, drifting),
        )
        for shift in config.shifts
    ]
    return [
        (
            "Test accuracy in inference mode",
            "Small marks are seeds, large marks their mean.",
            plots.by_arm(results, accuracies, arms, "test accuracy, %"),
        ),
        (
            "Train against inference, on the same training images",
            "Where the marks are far apart, what fit normalizes by is not what predict normalizes by, "
            "or the moving statistics lag.",
            plots.by_arm(results, modes, arms, "accuracy on training images, %"),
        ),
        *maps,
    ]


def _holds_statistics(arm: str) -> bool:
    flags = ARMS[arm]
    return not resolve(flags.training, flags.update_statistics, flags.trainable).updates
