"""Findings about the batch size."""

from typing import TYPE_CHECKING

from ..lab import sentences
from ..lab.differences import points
from ..lab.intervals import mean_and_sd
from . import claims as rules

if TYPE_CHECKING:
    import pandas as pd


def findings(results: "pd.DataFrame", sampled: "pd.DataFrame") -> list[str]:
    """Sentences that follow from the numbers."""
    return [*_sampling(sampled), *_degenerate(sampled), *_best(results), *_small(results)]


def _sampling(sampled: "pd.DataFrame") -> list[str]:
    parts = []
    for layer in rules.outer_layers(sampled):
        part = sampled[sampled.layer == layer]
        ratio = (part.mean_error * part["values"] ** 0.5).mean()
        # error = sd / sqrt(N * k), if an image tells as much as k independent values
        k = 1 / (part.mean_error**2 * part.batch_size).mean()
        parts.append(
            f"{layer}: {ratio:.1f} times 1/sqrt(N*H*W); H*W = {part.positions.iloc[0]} count as {k:.1f}"
        )
    return [
        f"Error of a batch's mean, and how many independent values an image is worth. {'; '.join(parts)}."
    ]


def _degenerate(sampled: "pd.DataFrame") -> list[str]:
    one = sampled.groupby(["layer", "positions"], sort=False, observed=True).from_beta.max().reset_index()
    listed = "; ".join(
        f"{row.layer} (N*H*W = {row.positions}): {row.from_beta:.3g}" for row in one.itertuples()
    )
    return [f"Largest distance of an output from beta, normalized by a batch of one image. {listed}."]


def _best(results: "pd.DataFrame") -> list[str]:
    """For each network and budget, the size of the best mean accuracy in inference mode."""
    lines = []
    for arm, runs in results.groupby("arm", sort=False):
        parts = []
        for budget, part in runs.groupby("budget", sort=False):
            means = part.groupby("batch_size").inference.mean()
            listed = ", ".join(f"{means[size]:.1f} % at {size}" for size in (means.index[0], means.index[-1]))
            parts.append(f"{budget}: best at {means.idxmax()} ({means.max():.1f} %); {listed}")
        lines.append(f"{arm}, accuracy in inference mode by batch size. {'. '.join(parts)}.")
    return lines


def _small(results: "pd.DataFrame") -> list[str]:
    """The gap between the modes for the smallest batches, and the gain from the remedies."""
    lines = []
    smallest = results[(results.batch_size == results.batch_size.min()) & (results.arm != "renorm")]
    for arm, of_arm in smallest.groupby("arm", sort=False):
        parts = [
            f"{budget}: {mean_and_sd(runs.inference)} % in inference mode, {mean_and_sd(runs.by_batch)} % by "
            f"the batch; recalibrated, {sentences.difference(points(runs.recalibrated, runs.inference))}"
            for budget, runs in of_arm.groupby("budget", sort=False)
        ]
        lines.append(f"{arm}, batches of {of_arm.batch_size.iloc[0]}. {'. '.join(parts)}.")
    changes = {
        where: sentences.difference(change) for where, change in rules.remedy(results, "renorm").items()
    }
    said = "; ".join(f"{where}: {text}" for where, text in changes.items())
    return [*lines, *([f"Batch renormalization instead of BatchNorm. {said}."] if said else [])]
