"""One picture of all layers over all steps."""

import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfbn.utils.extras import check_installed

MAX_LABELS = 60
MAX_NAME = 36
WIDTH = 11.0  # inches, as all sizes here
LETTER, MARGIN = 0.07, 0.6


@dataclasses.dataclass(frozen=True)
class Png:
    """An encoded image and its size in pixels."""

    data: bytes
    width: int
    height: int


def heat_map(title: str, unit: str, steps: Sequence[int], layers: Sequence[str], values: np.ndarray) -> Png:
    """Draws layers (from top to bottom, in the model's order) against steps (from left to right).

    The scale is logarithmic where the values span more than two orders of magnitude, so that
    small drift is visible next to large drift; values that are 0 or not finite are gray.

    Args:
        title: What is shown.
        unit: Its unit, written next to the color bar.
        steps: Steps of the columns, ascending.
        layers: Names of the rows.
        values: Shape `(layers, steps)`, not negative.

    Returns:
        The picture as `Png`.

    Example:

    >>> png = heat_map("kl", "nats", [0, 5, 9], ["stem/bn", "head/bn"], np.array([[0, 1, 2], [0, 3, 1.0]]))
    >>> png.data[1:4]
    b'PNG'
    """
    check_installed("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = min(2.8 + 0.2 * len(layers), 16)
    figure = Figure(figsize=(WIDTH, height), dpi=100)
    canvas = FigureCanvasAgg(figure)
    names = [_short(name) for name in layers[:: -(-len(layers) // MAX_LABELS)]]
    # A layout that matplotlib finds by drawing twice takes half of a picture's time.
    left = (MARGIN / 2 + LETTER * max(map(len, names))) / WIDTH
    figure.subplots_adjust(left, MARGIN / height, 1 - 1.3 * MARGIN / WIDTH, 1 - MARGIN / height / 1.5)
    axes = figure.add_subplot()
    axes.set_facecolor("0.85")
    norm, scale = _norm(values)
    shown = np.ma.masked_less_equal(np.ma.masked_invalid(values), 0)
    mesh = axes.pcolormesh(
        _edges(steps), np.arange(len(layers) + 1), shown, cmap="viridis", norm=norm, rasterized=True
    )
    every = -(-len(layers) // MAX_LABELS)
    axes.set_yticks(np.arange(0, len(layers), every) + 0.5)
    axes.set_yticklabels(names, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel("train step")
    axes.set_title(title)
    bar = figure.colorbar(mesh, ax=axes, pad=0.01, fraction=0.03)
    bar.set_label(f"{unit}{scale}", fontsize=8)
    stream = io.BytesIO()
    canvas.print_png(stream)
    width, height = canvas.get_width_height()
    return Png(stream.getvalue(), width, height)


def _norm(values: np.ndarray) -> tuple[Any, str]:
    from matplotlib.colors import LogNorm, Normalize

    seen = values[np.isfinite(values) & (values > 0)]
    if not len(seen):
        return Normalize(0, 1), " (0 is gray)"
    low, high = np.quantile(seen, 0.02), seen.max()
    if high > 100 * low:
        return LogNorm(max(low, high * 1e-6), high), " (logarithmic; 0 is gray)"
    return Normalize(0, high), " (0 is gray)"


def _edges(steps: Sequence[int]) -> np.ndarray:
    """Borders of the columns: halfway between the steps."""
    middle = np.asarray(steps, float)
    if len(middle) == 1:
        return np.array([middle[0] - 0.5, middle[0] + 0.5])
    between = (middle[1:] + middle[:-1]) / 2
    return np.concatenate([[2 * middle[0] - between[0]], between, [2 * middle[-1] - between[-1]]])


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"…{name[1 - MAX_NAME :]}"
