"""Plots in one style: readable in gray, color never the only sign."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .sentences import shift_in_words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# Okabe and Ito's colors, distinguishable for color-blind people; with a marker each.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HEAT = "cividis"
ROW = 0.13  # inches of a layer in a heat map
MANY_LAYERS = 20  # whose names are small


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **kwargs: Any
) -> "tuple[Figure, Any]":
    """A figure and its axes as a 2-D array, without a window behind it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
        axis.set_axisbelow(True)
    return figure, axes


def by_arm(results: "pd.DataFrame", metrics: dict[str, str], arms: Sequence[str], unit: str) -> "Figure":
    """For each condition and arm: every seed as a small mark, the mean as a large one.

    Args:
        results: One row for each condition, arm and seed.
        metrics: Column to label, one marker and color each.
        arms: The arms from top to bottom.
        unit: Label of the value axis.
    """
    conditions = list(dict.fromkeys(results.condition))
    figure, axes = new_figure(
        5.2 * len(conditions), 1.2 + 0.5 * len(arms), columns=len(conditions), sharey=True, sharex=True
    )
    offsets = np.linspace(-0.18, 0.18, len(metrics)) if len(metrics) > 1 else [0.0]
    for axis, condition in zip(axes[0], conditions, strict=True):
        part = results[results.condition == condition]
        for i, (metric, label) in enumerate(metrics.items()):
            style = {"color": COLORS[i], "marker": MARKERS[i], "clip_on": False}
            for row, arm in enumerate(arms):
                values = part[part.arm == arm][metric].dropna()
                height = np.full(len(values), row + offsets[i])
                axis.scatter(values, height, s=12, alpha=0.5, linewidths=0, **style)
                axis.scatter(
                    values.mean(), row + offsets[i], s=70, edgecolors="black", linewidths=0.8, zorder=3,
                    label=label if row == 0 else None, **style,
                )  # fmt: skip
        axis.set_title(shift_in_words(condition))
        axis.set_xlabel(unit)
        axis.set_yticks(range(len(arms)), arms)
    axes[0][0].set_ylabel("arm")
    axes[0][0].set_ylim(len(arms) - 0.5, -0.5)
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(metrics), frameon=False
    )
    return figure


def heat_maps(
    drift: "pd.DataFrame", metric: str, label: str, condition: str, arms: Sequence[str]
) -> "Figure":
    """For each arm a map of layers (down, in data-flow order) by steps, mean over seeds."""
    tables = {arm: _layers_by_steps(drift, metric, condition, arm) for arm in arms}
    layers = max(map(len, tables.values()))
    height = max(3.6, 0.9 + ROW * layers)
    figure, axes = new_figure(4.2 * len(arms), height, columns=len(arms), sharey=True)
    highest = max(float(np.nanmax(table.to_numpy())) for table in tables.values()) or 1.0
    for axis, (arm, table) in zip(axes[0], tables.items(), strict=True):
        image = axis.imshow(
            table.to_numpy(), aspect="auto", cmap=HEAT, vmin=0, vmax=highest, interpolation="nearest",
            extent=(table.columns.min() - 0.5, table.columns.max() + 0.5, len(table) - 0.5, -0.5),
        )  # fmt: skip
        axis.grid(visible=False)
        axis.set_title(arm)
        axis.set_xlabel("training step")
        axis.set_yticks(range(len(table)), table.index, fontsize=10 if layers <= MANY_LAYERS else 7)
    axes[0][0].set_ylabel("layer, from input to output")
    figure.colorbar(image, ax=axes[0].tolist(), label=label)
    return figure


def _layers_by_steps(drift: "pd.DataFrame", metric: str, condition: str, arm: str) -> "pd.DataFrame":
    part = drift[(drift.condition == condition) & (drift.arm == arm)]
    order = list(dict.fromkeys(part.layer))
    return part.pivot_table(metric, "layer", "step", aggfunc="mean", observed=True).reindex(order)
