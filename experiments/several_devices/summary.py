"""The summary: how far statistics on several devices are from those of one."""

from pathlib import Path
from typing import Any

import pandas as pd

from tfbn.utils.words import counted

from ..lab import plots
from ..lab.differences import paired
from ..lab.experiment import Summary
from ..lab.intervals import mean_and_sd
from ..lab.verdicts import judged_facts

ROUNDING = 1e-3  # sd, and nats: the rounding of float32 sums in another order
SHOWN = {
    "mean_shift": "moving mean, sd",
    "log_variance_ratio": "moving variance, nats per channel",
    "logits": "logits, sd",
    "moved": "moved during training, sd",
}


def summarize(config: Any, results: pd.DataFrame, folder: Path) -> Summary:
    """The `Summary` of `several_devices`."""
    results = results.assign(distance=results[["mean_shift", "log_variance_ratio"]].max(axis=1))
    agrees = {
        f"{arm}, {condition}": bool((part.distance < ROUNDING).all())
        for (condition, arm), part in results.groupby(["condition", "arm"], sort=False)
    }
    farthest = "; ".join(
        f"{arm}, {condition}: {part.log_variance_ratio.max():.2g} nats"
        for (condition, arm), part in results.groupby(["condition", "arm"], sort=False)
    )
    return Summary(
        findings=[*_findings(config, results)],
        tables=[
            ("Distance from one device, largest over layers, mean over seeds", _table(results)),
        ],
        figures=[
            (
                "Moving variance on several devices against one",
                "Mean absolute log ratio over channels, largest over layers. Small marks are seeds.",
                plots.by_arm(
                    results,
                    {"log_variance_ratio": "moving variance"},
                    list(config.arms),
                    "log ratio, nats per channel",
                ),
            )
        ],
        limits=[
            f"{counted(config.replicas, 'device')} of one machine, {counted(config.seeds, 'seed')}, a "
            "frozen network: how its statistics affect weights that train is not measured.",
        ],
        claims=[
            judged_facts(
                "Training on several devices gives BatchNorm the statistics of the joint batch.",
                agrees,
                f"Moving variance against one device, at most: {farthest} ({counted(config.seeds, 'seed')})",
            )
        ],
    )


def _table(results: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (condition, arm), part in results.groupby(["condition", "arm"], sort=False):
        cells = {label: f"{part[name].mean():.2g}" for name, label in SHOWN.items()}
        accuracies = {
            "one device, %": mean_and_sd(100 * part.one_accuracy),
            "several, %": mean_and_sd(100 * part.test_accuracy),
        }
        rows.append({"condition": condition, "arm": arm, **cells, **accuracies})
    return pd.DataFrame(rows)


def _findings(config: Any, results: pd.DataFrame) -> list[str]:
    found = []
    for arm in config.arms:
        part = results[results.arm == arm]
        word = "agree with" if (part.distance < ROUNDING).all() else "differ from"
        found.append(
            f"{arm}: moving statistics {word} those of one device, by at most {part.mean_shift.max():.2g} sd "
            f"(mean) and {part.log_variance_ratio.max():.2g} nats (variance), where training moved them by "
            f"{part.moved.mean():.2g} sd."
        )
    if set(config.arms) >= {"separate", "synchronized"}:
        changes = {
            condition: paired(results, "log_variance_ratio", condition, "separate", "synchronized")
            for condition in dict.fromkeys(results.condition)
        }
        texts = [f"{condition}: {change.text(3)} nats" for condition, change in changes.items()]
        found.append(f"Separate against synchronized, distance of the variance. {'; '.join(texts)}.")
    return found
