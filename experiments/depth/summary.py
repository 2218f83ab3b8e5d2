"""The summary: gradients before training and errors after it, by depth."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfbn.utils.words import counted

from ..lab.curves import curves
from ..lab.experiment import Summary
from ..lab.intervals import mean_and_sd
from . import claims as depth_claims
from .arms import START, TRAINING

PUBLISHED = (
    "Published for CIFAR-10 after 64,000 steps, test error of residual networks of 20 / 32 / 44 / 56 / 110 / "
    "1202 layers: 8.75 / 7.51 / 7.17 / 6.97 / 6.43 / 7.93 %; plain networks of 110 layers above 60 %. On "
    "ImageNet, plain against residual: 27.94 / 27.88 % at 18 layers, 28.54 / 25.03 % at 34 (He et al., 2015)."
)


def summarize(config: Any, results: pd.DataFrame, folder: Path) -> Summary:
    """The `Summary` of `depth`; errors in percent, gradients in powers of ten."""
    start, trained = parts_of(results)
    tables, figures = [], []
    if len(start):
        gradients = _table(folder, "gradients")
        start = start.merge(shares_out_of_range(gradients), on=["depth", "arm", "seed"])
        tables.append(("Gradients before training", start_table(start)))
        figures += start_figures(gradients)
    if len(trained):
        tables.append(("Errors after training", error_table(trained)))
        figures += training_figures(trained, _table(folder, "curve"))
    return Summary(
        findings=depth_claims.findings(start, trained),
        tables=tables,
        figures=figures,
        limits=limits(config),
        claims=depth_claims.claims(start, trained),
    )


def parts_of(results: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs before training, and those that trained, with errors in percent."""
    start, trained = (results[results.part == part].copy() for part in (START, TRAINING))
    errors = [name for name in results.columns if name.endswith("error") or name == "chance"]
    trained[errors] *= 100
    return start, trained


def _table(folder: Path, name: str) -> pd.DataFrame:
    table = pd.read_parquet(folder / f"{name}.parquet")
    table["condition"] = [f"{depth} layers" for depth in table.depth]
    return table


def shares_out_of_range(gradients: pd.DataFrame) -> pd.DataFrame:
    """By run: the shares of layers whose gradient's norm is 0, and not finite, in float32."""
    shares = gradients.assign(
        arm=gradients.arm.astype(str),
        zero=gradients.gradient == 0,
        overflow=~np.isfinite(gradients.gradient),
    )
    return shares.groupby(["depth", "arm", "seed"])[["zero", "overflow"]].mean().reset_index()


def start_table(start: pd.DataFrame) -> pd.DataFrame:
    """One row per depth and network: loss, smallest gradient, spread over layers."""
    return pd.DataFrame(
        {
            "layers": int(depth),
            "network": arm,
            "seeds": len(runs),
            "loss": f"{runs.loss.mean():.3g}",
            "smallest gradient, log10": depth_claims.out_of_range(runs) or mean_and_sd(runs.least),
            "largest over smallest, log10": _or_dash(runs.orders),
            "first over last layer, log10": _or_dash(runs.first_over_last),
        }
        for (depth, arm), runs in start.groupby(["depth", "arm"])
    )


def _or_dash(values: pd.Series) -> str:
    return "-" if values.isna().all() else mean_and_sd(values)


def error_table(trained: pd.DataFrame) -> pd.DataFrame:
    """One row per network and depth: errors, and whether the training error was still falling."""
    return pd.DataFrame(
        {
            "network": arm,
            "layers": int(depth),
            "steps": int(runs.step.max()),
            "seeds": len(runs),
            "learning rates": _rates(runs),
            "train error, %": mean_and_sd(runs.train_error),
            "test error, %": mean_and_sd(runs.test_error),
            "test minus train, points": f"{(runs.test_error - runs.train_error).mean():+.1f}",
            "train error in fit, %": mean_and_sd(runs.fit_error),
            "change in last third, points": f"{(runs.train_error - runs.earlier_train_error).mean():+.1f}",
        }
        for (arm, depth), runs in trained.groupby(["arm", "depth"], sort=False)
    ).sort_values(["network", "layers"])


def _rates(runs: pd.DataFrame) -> str:
    """The learning rates that were chosen, each with the number of seeds.

    >>> _rates(pd.DataFrame({"learning_rate": [0.001, 0.003, 0.003]}))
    '0.001 (1), 0.003 (2)'
    """
    counts = runs.learning_rate.value_counts().sort_index()
    return ", ".join(f"{rate:g} ({count})" for rate, count in counts.items())


def start_figures(layers: pd.DataFrame) -> list[tuple[str, str, Any]]:
    """Gradient and activation scale by layer, a panel for each depth."""
    layers = layers.assign(place=layers.layer / layers.groupby("condition").layer.transform("max"))
    arms = sorted(set(layers.arm))
    layers = layers.sort_values("depth", kind="stable")
    what = {
        "gradient": ("Gradient of every convolution before training", "norm of the gradient"),
        "scale": ("Scale of the activations before training", "standard deviation of the outputs"),
    }
    caption = "One batch, in training mode. Bands: least to greatest seed."
    return [
        (
            title,
            caption,
            curves(layers, "place", column, ("place, 0: input, 1: output", label), arms, log_y=True),
        )
        for column, (title, label) in what.items()
    ]


def training_figures(trained: pd.DataFrame, curve: pd.DataFrame) -> list[tuple[str, str, Any]]:
    """Errors by depth, and train error over the steps."""
    arms = sorted(set(trained.arm))
    long = trained.melt(["arm", "depth", "seed"], ["train_error", "test_error"], "condition", "error")
    long["condition"] = long.condition.map({"train_error": "training images", "test_error": "test images"})
    by_step = curve.assign(error=100 * curve.train_error, condition=curve.arm, arm=curve.condition)
    depths = list(dict.fromkeys(by_step.sort_values("depth").arm))
    return [
        (
            "Error by depth",
            "At the same number of steps, in inference mode. Where both panels rise with depth, it is "
            "not overfitting. Bands: least to greatest seed.",
            curves(long.sort_values("depth"), "depth", "error", ("layers", "error, %"), arms),
        ),
        (
            "Error on training images during training",
            "A line that still falls at the end has been cut short.",
            curves(by_step, "step", "error", ("training steps", "train error, %"), depths),
        ),
    ]


def limits(config: Any) -> list[str]:
    """What the runs cannot show."""
    return [
        f"{config.steps} steps of Adam at batches of {config.batch_size}, {config.width} filters in the "
        f"first stage, {config.dataset} at {config.image_size}x{config.image_size} pixels: how well a "
        "network trains on a short budget, not how well in the end. The published runs took "
        f"{64_000 / config.steps:.0f} times the steps. --steps trains longer, --width widens.",
        f"From {config.deep} layers on there are {counted(config.deep_seeds, 'seed')} and "
        f"{config.steps_at(config.deep)} steps; an interval from this few seeds is wide.",
        "Gradients are those of one batch before the first step. The optimizer's updates can differ: Adam "
        "divides by the size of the gradients.",
        PUBLISHED,
    ]
