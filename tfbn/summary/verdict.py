"""What happened in a recorded training run, in a few sentences derived from its numbers."""

from collections.abc import Mapping, Sequence

import numpy as np

from tfbn.layers.modes import Mode
from tfbn.summary import tags

LISTED = 5


def verdict(
    layers: Sequence[str],
    modes: Mapping[str, Mode],
    first: np.ndarray,
    last: np.ndarray,
    mismatches: np.ndarray | None,
) -> str:
    """Says in Markdown which layers moved and which moved though they are held.

    Args:
        layers: Paths, in the model's order.
        modes: Their modes in `fit`; may be empty.
        first: Drift at the first recorded step, shape `(layers, metrics of tfbn.drift)`.
        last: Drift at the last one.
        mismatches: The last mismatch, shape `(layers, 2)`, or None.

    Returns:
        Markdown, one sentence per line.

    Example:

    >>> held = Mode("moving", updates=False, trains=False)
    >>> still, moved = np.zeros((1, 5)), np.array([[0.5, 0, 0, 0, 0]])
    >>> print(verdict(["bn"], {"bn": held}, still, moved, None))
    * 1 of 1 BatchNorm layers moved; farthest: `bn`, 0.5 reference standard deviations.
    * **1 layer moved though its statistics are held: `bn`.**
    """
    moved = [layer for layer, a, b in zip(layers, first, last, strict=True) if not np.array_equal(a, b)]
    shift = last[:, tags.SERIES["drift"].index("mean_shift")]
    lines = [f"{len(moved)} of {len(layers)} BatchNorm layers moved"]
    if moved:
        lines[0] += f"; farthest: {_largest(layers, shift)} {tags.UNITS['mean_shift']}"
    lines[0] += "."
    surprising = [layer for layer in moved if layer in modes and not modes[layer].updates]
    if surprising:
        count = "1 layer" if len(surprising) == 1 else f"{len(surprising)} layers"
        held = "its statistics are" if len(surprising) == 1 else "their statistics are"
        lines.append(f"**{count} moved though {held} held: {_listed(surprising)}.**")
    elif any(not mode.updates for mode in modes.values()):
        lines.append("No layer moved whose statistics are held.")
    if mismatches is not None and np.isfinite(mismatches[:, 0]).any():
        largest = _largest(layers, np.nan_to_num(mismatches[:, 0]))
        lines.append(
            "Largest distance between what `fit` normalizes by and what `predict` will: "
            f"{largest} {tags.UNITS['mismatch']}."
        )
    return "\n".join(f"* {line}" for line in lines)


def _largest(layers: Sequence[str], values: np.ndarray) -> str:
    index = int(np.nanargmax(values)) if np.isfinite(values).any() else 0
    return f"`{layers[index]}`, {values[index]:.3g}"


def _listed(layers: Sequence[str]) -> str:
    shown = ", ".join(f"`{layer}`" for layer in layers[:LISTED])
    return shown if len(layers) <= LISTED else f"{shown}, ..."
