"""The summary: training with and without BatchNorm and dropout, over learning rates."""

from pathlib import Path
from typing import Any

import pandas as pd

from ..lab.curves import curves
from ..lab.experiment import Summary
from ..lab.intervals import mean_and_sd
from . import claims as convergence_claims


def summarize(config: Any, results: pd.DataFrame, folder: Path) -> Summary:
    """The `Summary` of `convergence`; accuracies in percent, differences in points."""
    results = prepared(results, config.target)
    arms, best = list(config.arms), at_best_rate(results)
    curve = pd.read_parquet(folder / "curve.parquet")
    return Summary(
        findings=convergence_claims.findings(results, best, config.target),
        tables=[
            (
                f"Steps to {config.target:.0%} (number of seeds that reached it)",
                steps_table(results, arms),
            ),
            ("Test accuracy in inference mode at the end, %", wide_table(results, "test_accuracy", arms)),
            ("At each network's best rate", best_table(best, arms)),
        ],
        figures=figures(results, curve, best, arms),
        limits=limits(config),
        claims=convergence_claims.claims(results, best),
    )


def prepared(results: pd.DataFrame, target: float) -> pd.DataFrame:
    """Accuracies in percent, and whether a run has the target accuracy at its end."""
    results = results.assign(trains=results.held_out >= target)
    results[["held_out", "train_accuracy", "test_accuracy"]] *= 100
    return results


def at_best_rate(results: pd.DataFrame) -> pd.DataFrame:
    """The runs of each arm at the rate whose held-out accuracy is best in the mean over seeds.

    `test_accuracy` is measured on other images than those that choose the rate.
    """
    means = results.groupby(["arm", "rate"]).held_out.mean()
    rates = {arm: of.droplevel(0).idxmax() for arm, of in means.groupby(level=0)}
    chosen = pd.concat(
        [results[(results.arm == arm) & (results.rate == rate)] for arm, rate in rates.items()]
    )
    return chosen.assign(condition="best rate")


def steps_table(results: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """One row per rate: the steps to the target of each arm, over the seeds that reach it."""

    def cell(runs: pd.DataFrame) -> str:
        there = runs[runs.reached > 0]
        return f"{there.steps_to_target.mean():.0f} ({len(there)}/{len(runs)})" if len(there) else "never"

    return pd.DataFrame(
        {"rate": f"{rate:g}", **{arm: cell(part[part.arm == arm]) for arm in arms}}
        for rate, part in results.groupby("rate")
    )


def wide_table(results: pd.DataFrame, metric: str, arms: list[str]) -> pd.DataFrame:
    """One row per rate, one column per arm: mean and standard deviation over seeds."""
    return pd.DataFrame(
        {"rate": f"{rate:g}", **{arm: mean_and_sd(part[part.arm == arm][metric]) for arm in arms}}
        for rate, part in results.groupby("rate")
    )


def best_table(best: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """One row per arm."""
    rows = {arm: best[best.arm == arm] for arm in arms}
    return pd.DataFrame(
        {
            "network": arm,
            "rate": f"{runs.rate.iloc[0]:g}",
            "steps to target": mean_and_sd(runs.steps_to_target, 0),
            "train accuracy, %": mean_and_sd(runs.train_accuracy),
            "test accuracy, %": mean_and_sd(runs.test_accuracy),
            "fit, s (median)": f"{runs.fit_seconds.median():.1f}",
        }
        for arm, runs in rows.items()
    )


def figures(
    results: pd.DataFrame, curve: pd.DataFrame, best: pd.DataFrame, arms: list[str]
) -> list[tuple[str, str, Any]]:
    """Accuracy and steps by rate, and accuracy over the steps at each arm's best rate."""
    long = results.melt(["arm", "rate", "seed"], ["test_accuracy"], "condition", "value")
    one = long.assign(condition="at the end of the training")
    chosen = pd.concat(
        curve[(curve.arm == arm) & (curve.condition == f"rate {runs.rate.iloc[0]:g}")]
        for arm, runs in best.groupby("arm", sort=False)
    )
    chosen = chosen.assign(
        accuracy=100 * chosen.accuracy, condition="each at its best rate", arm=chosen.arm.astype(str)
    )
    by_rate = curves(one, "rate", "value", ("learning rate of SGD", "test accuracy, %"), arms)
    for axis in by_rate.axes:
        axis.set_xscale("log")
    steps = curves(chosen, "step", "accuracy", ("training steps", "accuracy on held-out images, %"), arms)
    bands = "Bands: least to greatest seed."
    return [("Test accuracy by learning rate", bands, by_rate), ("Accuracy over the steps", bands, steps)]


def limits(config: Any) -> list[str]:
    """What the runs cannot show."""
    return [
        f"One network ({config.model}, {config.width} filters), {config.dataset} at {config.image_size}x"
        f"{config.image_size} pixels, {config.train_images} images, {config.steps} steps of SGD without "
        "momentum or schedule. In deeper networks the difference is larger: see the experiment depth.",
        f"Steps are counted in units of {config.every}. A step with BatchNorm takes longer than one without; "
        "the seconds are from one machine, which also did other work.",
        "Dropout is that of the BatchNorm paper's Inception: before the last layer only.",
    ]
