"""Drift for TensorBoard: scalars by layer, histograms of the statistics, heat maps.

Tags: `bn/<metric>/<layer>` (scalars, about a thousand points each),
`bn/moving_mean/<layer>` and `bn/moving_variance/<layer>` (histograms),
`bn_heat_map/<metric>` (images).
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from tfbn import drift, mismatch
from tfbn.callbacks.event_file import EventFile
from tfbn.statistics import Snapshot

POINTS = 1000
FILE_SUFFIX = ".tfbn_drift"
UNITS = drift.UNITS | mismatch.UNITS


class DriftSummaries:
    """Writes TensorBoard events; memory is bounded by the thinning.

    Args:
        folder: The log directory.
        layers: The layers' paths, in the model's order.
        every: Steps between two recorded rows.
    """

    def __init__(self, folder: str | os.PathLike, layers: list[str], every: int):
        self._folder, self._layers, self._every = folder, layers, every
        self._described: set[str] = set()
        self._drawn = _Kept(drift.METRICS)
        self._probed = _Kept(mismatch.METRICS)
        self._last: tuple[int, np.ndarray] | None = None
        self._writer: Any = None  # an EventFile, while a fit is under way
        self._stride: int | None = None

    def begin(self, steps: int | None) -> None:
        """Opens a file for a fit of so many steps (None: not known)."""
        self._writer = EventFile(self._folder, FILE_SUFFIX)
        self._stride = None if steps is None else -(-(steps // self._every) // POINTS) or 1

    def append(self, steps: np.ndarray, values: np.ndarray, mismatches: np.ndarray | None = None) -> None:
        """The same rows as `DriftLog.append` gets."""
        for step, row in zip(steps.tolist(), values, strict=True):
            self._last = (step, row)
            if (step // self._every) % (self._stride or growing_stride(step // self._every)) == 0:
                self._write_last()
        if mismatches is not None:
            self._scalars(int(steps[-1]), mismatches, self._probed)

    def histograms(self, step: int, snapshot: Snapshot) -> None:
        """Histograms over the channels of each layer's moving statistics."""
        from tensorboard.plugins.histogram.summary_v2 import histogram_pb

        for path, statistics in snapshot.items():
            for name, data in (("mean", statistics.mean), ("variance", statistics.variance)):
                if np.all(np.isfinite(data)):
                    summary = histogram_pb(f"bn/moving_{name}/{path}", data, buckets=30)
                    self._writer.add(step, summary)

    def flush(self) -> None:
        """Makes what was written visible to a TensorBoard that is running."""
        self._writer.flush()

    def end(self, heat_maps: bool) -> None:
        """Writes the last row and the heat maps, and closes the file."""
        self._write_last()
        if heat_maps:
            for kept in (self._drawn, self._probed):
                for index, metric in enumerate(kept.metrics if len(kept.steps) > 1 else ()):
                    self._heat_map(metric, kept.steps, np.stack(kept.rows)[:, :, index])
        self.close()

    def close(self) -> None:
        """Closes the file, if one is open."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _heat_map(self, metric: str, steps: list[int], values: np.ndarray) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        from tfbn.callbacks.heat_map import heat_map

        png = heat_map(metric.replace("_", " "), UNITS[metric], steps, self._layers, values.T)
        image = Summary.Image(encoded_image_string=png.data, width=png.width, height=png.height, colorspace=4)
        self._writer.add(steps[-1], Summary(value=[Summary.Value(tag=f"bn_heat_map/{metric}", image=image)]))

    def _write_last(self) -> None:
        if self._last is not None:
            self._scalars(*self._last, self._drawn)
            self._last = None

    def _scalars(self, step: int, row: np.ndarray, kept: "_Kept") -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary()
        for metric, column in zip(kept.metrics, row.T.tolist(), strict=True):
            for layer, value in zip(self._layers, column, strict=True):
                summary.value.add(tag=f"bn/{metric}/{layer}", simple_value=value)
            if metric not in self._described:
                self._described.add(metric)
                for value in summary.value[-len(self._layers) :]:
                    value.metadata.summary_description = f"Unit: {UNITS[metric]}"
                    value.metadata.plugin_data.plugin_name = "scalars"
        kept.steps.append(step)
        kept.rows.append(np.array(row, np.float32))
        self._writer.add(step, summary)


class _Kept:
    """The rows that were written, for the heat maps."""

    def __init__(self, metrics: tuple[str, ...]):
        self.metrics = metrics
        self.steps: list[int] = []
        self.rows: list[np.ndarray] = []


def growing_stride(row: int) -> int:
    """Which rows to keep when nobody knows how many will come: fewer and fewer.

    All of the first 500, then every second to 1000, every fourth to 2000, and so on: 250
    more for each doubling, 2,400 of 100,000.

    Example:

    >>> [growing_stride(row) for row in (3, 499, 500, 1999, 2000)]
    [1, 1, 2, 4, 8]
    """
    return 1 << max(0, (row // 250).bit_length() - 1)


def clear(folder: str | os.PathLike) -> None:
    """Removes the events that an earlier recorder wrote into a folder; other files stay."""
    for path in Path(folder).glob(f"*{FILE_SUFFIX}"):
        path.unlink()
