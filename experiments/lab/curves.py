"""Curves in the style of `plots`: a panel for each condition, a line for each arm."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from .plots import COLORS, MARKERS, new_figure
from .sentences import shift_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINES = ("-", "--", "-.", ":")
IN_A_ROW = 3  # panels


def curves(
    table: pd.DataFrame,
    x: str,
    y: str,
    labels: tuple[str, str],
    arms: Sequence[str],
    *,
    panel: str = "condition",
    log_x: bool = False,
    log_y: bool = False,
    references: "dict[str, pd.Series] | None" = None,
) -> "Figure":
    """The mean over seeds of `y` against `x`, with a band from the lowest to the highest seed.

    Args:
        table: One row for each panel, arm, seed and value of `x`, in the order to draw.
        x: The column along; text becomes positions in order, as for layers.
        y: The column up.
        labels: Of the two axes, with units.
        arms: The lines, in order.
        panel: The column with one panel per value.
        log_x: Whether the axis along is logarithmic (a value of 0 stands at its left end).
        log_y: Whether the axis up is logarithmic.
        references: Further lines without marks, in every panel: label to values by `x`.

    Returns:
        The figure, with one legend below.
    """
    panels = list(dict.fromkeys(table[panel]))
    wide = not pd.api.types.is_numeric_dtype(table[x])
    columns = min(len(panels), IN_A_ROW)
    rows = -(-len(panels) // columns)
    size = (max(4.0, 9.2 / columns) * columns, 1.0 + 3.2 * rows)
    figure, axes = new_figure(*size, rows=rows, columns=columns, sharey=True)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, panels, strict=False):
        part = table[table[panel] == name]
        places = list(dict.fromkeys(part[x])) if wide else None
        for i, arm in enumerate(arms):
            _line(axis, i, arm, part[part.arm == arm].groupby(x, observed=True, sort=False)[y], places)
        for i, (label, values) in enumerate((references or {}).items()):
            line = {"color": "black", "linewidth": 1, "linestyle": LINES[-1 - i % len(LINES)]}
            axis.plot(values.index, values, label=label, **line)
        if places is not None:
            axis.set_xticks(range(len(places)), places, rotation=60, ha="right", fontsize=8)
        if log_x:
            axis.set_xscale("symlog", linthresh=1)
        if log_y:
            axis.set_yscale("log")
        axis.set(title=shift_in_words(str(name)), xlabel=labels[0])
    for first in axes[:, 0]:
        first.set_ylabel(labels[1])
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 4), frameon=False)
    return figure


def _line(axis: Any, i: int, arm: str, grouped: Any, places: list[Any] | None) -> None:
    """Draws the mean of an arm with its band; text values are placed by `places`."""
    seeds = grouped.agg(["mean", "min", "max"])
    along = seeds.index if places is None else [places.index(value) for value in seeds.index]
    color = COLORS[i % len(COLORS)]
    style = {"color": color, "linestyle": LINES[i % len(LINES)], "marker": MARKERS[i % len(MARKERS)]}
    axis.plot(along, seeds["mean"], label=arm, markersize=5, markevery=max(1, len(seeds) // 16), **style)
    axis.fill_between(along, seeds["min"], seeds["max"], color=color, alpha=0.15, linewidth=0)
