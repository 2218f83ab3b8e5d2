"""The summary: accuracy and errors by batch size."""

from pathlib import Path
from typing import Any

import pandas as pd

from ..lab.curves import curves
from ..lab.experiment import Summary
from ..lab.intervals import mean_and_sd
from . import claims as batch_size_claims
from . import findings as batch_size_findings
from .arms import BUDGETS, SAMPLING

MODES = {"inference": "inference mode", "by_batch": "by the batch", "recalibrated": "recalibrated"}


def summarize(config: Any, results: pd.DataFrame, folder: Path) -> Summary:
    """The `Summary` of `batch_size`; accuracies in percent, differences in points."""
    results = with_budgets(results)
    sampled = pd.read_parquet(folder / "sampling.parquet")
    arms = list(dict.fromkeys(results.arm))
    tables = [
        (f"{arm}, {budget}", by_size(results[(results.arm == arm) & (results.budget == budget)]))
        for arm in arms
        for budget in BUDGETS
    ]
    return Summary(
        findings=batch_size_findings.findings(results, sampled),
        tables=[*tables, ("Error of batches against the whole set", sampling_table(sampled))],
        figures=figures(results, sampled, arms),
        limits=limits(config, arms),
        claims=batch_size_claims.claims(results, sampled, 100 * results.chance.iloc[0]),
    )


def with_budgets(results: pd.DataFrame) -> pd.DataFrame:
    """The runs that trained, accuracies in percent, with the budget as a column."""
    results = results[results.condition != SAMPLING].copy()
    results[list(MODES)] *= 100
    order = {arm: i for i, arm in enumerate(dict.fromkeys(results.arm))}
    results = results.sort_values("arm", key=lambda arms: arms.map(order), kind="stable")
    return results.astype({"batch_size": int, "steps": int})


def by_size(part: pd.DataFrame) -> pd.DataFrame:
    """One row per batch size: accuracy in each mode, error of the moving average, late drift."""
    return pd.DataFrame(
        {
            "batch size": size,
            "steps": runs.steps.iloc[0],
            "learning rates chosen": ", ".join(f"{rate:g}" for rate in sorted(set(runs.learning_rate))),
            **{f"{label}, %": mean_and_sd(runs[mode]) for mode, label in MODES.items()},
            "moving mean off, sd": mean_and_sd(runs.moving_mean_error, 2),
            "variance off, nats per channel": mean_and_sd(runs.moving_variance_error, 2),
            "late drift, sd": mean_and_sd(runs.drift, 2),
        }
        for size, runs in part.groupby("batch_size")
    )


def sampling_table(sampled: pd.DataFrame) -> pd.DataFrame:
    """One row per batch size and layer (first and last): the errors next to those of independent values."""
    shown = sampled[sampled.layer.isin(batch_size_claims.outer_layers(sampled))]
    rows = shown.groupby(["layer", "batch_size"], sort=False, observed=True)
    return pd.DataFrame(
        {
            "layer": layer,
            "batch size": size,
            "N*H*W": (n := runs["values"].iloc[0]),
            "error of the mean, sd": f"{runs.mean_error.mean():.3f}",
            "1/sqrt(N*H*W)": f"{n**-0.5:.3f}",
            "error of the variance": f"{runs.variance_error.mean():.3f}",
            "sqrt(2/(N*H*W))": f"{(2 / n) ** 0.5:.3f}",
        }
        for (layer, size), runs in rows
    )


def figures(results: pd.DataFrame, sampled: pd.DataFrame, arms: list[str]) -> list[tuple[str, str, Any]]:
    """Accuracy by batch size for each budget, the error of batches, that of the moving average."""
    long = results.melt(["arm", "budget", "batch_size", "seed"], list(MODES), "mode", "accuracy")
    long = long.rename(columns={"arm": "network", "mode": "arm"}).replace({"arm": MODES})
    labels = ("images in a batch", "test accuracy, %")
    accuracy = [
        (
            f"Test accuracy, {budget}",
            "By the batch: normalized by test batches of the size that the network was trained with. "
            "Bands: least to greatest seed.",
            curves(part, "batch_size", "accuracy", labels, list(MODES.values()), panel="network", log_x=True),
        )
        for budget, part in long.groupby("budget", sort=False)
    ]
    line = pd.Series({n: n**-0.5 for n in sorted(set(sampled["values"]))})
    shown = sampled[sampled.layer.isin(batch_size_claims.stage_layers(sampled))]
    errors = curves(
        shown.assign(arm=shown.layer, condition="root mean square over batches and channels"),
        "values", "mean_error", ("values per channel, N*H*W", "error of the batch's mean, sd"),
        list(dict.fromkeys(shown.layer)), log_x=True, log_y=True, references={"1/sqrt(N*H*W)": line},
    )  # fmt: skip
    moving = curves(
        results.assign(condition=results.budget), "batch_size", "moving_mean_error",
        ("images in a batch", "moving mean off, sd"), arms, log_x=True, log_y=True,
    )  # fmt: skip
    return [
        *accuracy,
        ("Error of the mean of a batch", "A line above the dotted one: the positions of an image are "
         "not independent values. Batches are drawn with replacement.", errors),
        ("Error of the moving mean", "At the end of the training, against the statistics of the training "
         "images in batches of the same size, the mean over layers.", moving),
    ]  # fmt: skip


def limits(config: Any, arms: list[str]) -> list[str]:
    """What the runs cannot show."""
    missing = [] if "renorm" in arms or "renorm" not in config.arms else [
        "The installed Keras has no batch renormalization, so it was left out."
    ]  # fmt: skip
    few = config.samples // max(config.sizes)
    return [
        f"With samples fixed, the largest batches make {few} steps, in which a moving average of momentum "
        f"{config.momentum:g} covers {1 - config.momentum**few:.0%} of the distance: accuracy in inference "
        "mode then also measures that lag; the other two modes do not.",
        f"The learning rate is one of {', '.join(f'{rate:g}' for rate in config.learning_rates)}, chosen for "
        "each run on validation images; if it is the smallest or the largest, another might do better.",
        f"Small networks, {config.dataset} at {config.image_size}x{config.image_size} pixels, "
        f"{config.steps} steps or {config.samples} samples, far from convergence. Published for ResNet-50 on "
        "ImageNet after full training, error at a batch of 32/16/8/4/2 images: 23.6 / 23.7 / 24.8 / 27.3 / "
        "34.7 % (Wu and He, 2018).",
        "Batch renormalization is clipped at r = 3 and d = 5 from the first step; the paper warms it up.",
        *missing,
    ]
