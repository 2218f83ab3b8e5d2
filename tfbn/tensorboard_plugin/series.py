"""A series of rows, put together from its blocks."""

from typing import Any

import numpy as np

from tfbn.tensorboard_plugin.descriptions import UnreadableRunError


def joined(by_tag: dict[str, Any], layers: int, metrics: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks put together; of a step that comes twice, the later row.

    Args:
        by_tag: TensorBoard's data of all tags of the series.
        layers: How many the run has.
        metrics: How many the series has.

    Returns:
        `(steps, values)`: shapes `(n,)` and `(n, layers, metrics)`, by ascending step.

    Raises:
        UnreadableRunError: A block has another shape or dtype.
    """
    steps, values = [np.zeros(0, np.int64)], [np.zeros((0, layers, metrics), np.float32)]
    for tag in sorted(by_tag):
        name, _, part = tag.rpartition("/")
        if part != "steps" or f"{name}/values" not in by_tag:
            continue
        block_steps, block_values = by_tag[tag][-1].numpy, by_tag[f"{name}/values"][-1].numpy
        _check(name, block_steps, block_values, layers, metrics)
        # While a run is being written, one of the two may be older than the other.
        rows = min(len(block_steps), len(block_values))
        steps.append(block_steps[:rows].astype(np.int64))
        values.append(block_values[:rows].astype(np.float32))
    all_steps, all_values = np.concatenate(steps), np.concatenate(values)
    _, last_of_step = np.unique(all_steps[::-1], return_index=True)
    kept = len(all_steps) - 1 - last_of_step
    return all_steps[kept], all_values[kept]


def _check(name: str, steps: np.ndarray, values: np.ndarray, layers: int, metrics: int) -> None:
    if steps.ndim != 1 or steps.dtype.kind not in "iu":
        raise UnreadableRunError(f"{name}/steps is {_of(steps)}, not int64 (rows,)")
    if values.ndim != 3 or values.shape[1:] != (layers, metrics) or values.dtype.kind != "f":
        raise UnreadableRunError(f"{name}/values is {_of(values)}, not float32 (rows, {layers}, {metrics})")


def _of(array: np.ndarray) -> str:
    return f"{array.dtype} {array.shape}"


def snapshots(
    points: list[tuple[int, np.ndarray]], rows: int, channels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points of one layer by ascending step: steps `(n,)`, and `(n, rows, channels)`; the later of a step.

    Raises:
        UnreadableRunError: A point has another shape or dtype.
    """
    for _, array in points:
        if array.shape != (rows, channels) or array.dtype.kind != "f":
            raise UnreadableRunError(f"a snapshot is {_of(array)}, not float32 ({rows}, {channels})")
    by_step = dict(sorted(points, key=lambda point: point[0]))
    values = np.array(list(by_step.values()), np.float32).reshape(-1, rows, channels)
    return np.array(list(by_step), np.int64), values
