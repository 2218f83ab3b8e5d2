"""Writes everything that TensorBoard shows of one run."""

import math
import numbers
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfbn.layers.modes import Mode
from tfbn.statistics import drift
from tfbn.statistics.snapshots import Snapshot, Statistics, take
from tfbn.summary import stock_tabs, tags
from tfbn.summary.about import about_fit
from tfbn.summary.blocks import Blocks
from tfbn.summary.channels import ChannelSnapshots, channel_values
from tfbn.summary.event_file import EventFile
from tfbn.summary.plugin_values import json_value, summary
from tfbn.summary.thinning import Thinning
from tfbn.summary.verdict import verdict
from tfbn.utils.validation import check_at_least, fail

FILE_SUFFIX = ".tfbn_drift"


class Writer:
    """Writes one run for TensorBoard; see `tfbn.summary.writer`.

    Long runs are thinned, so that memory and the size of the files are bounded. Steps must not
    decrease. Call `begin` first; `writer` does.

    Args:
        log_dir: The run's folder.
        reference: What drift is measured from; its layers are the run's, in data-flow order.
        every: Steps between two recorded rows.

    Raises:
        ValueError: The reference is empty, or `every` is not positive.

    Example:

    >>> before = {"bn": Statistics(np.zeros(2), np.ones(2), epsilon=1e-3)}
    >>> with Writer(folder / "run", before) as log:
    ...     log.begin({}, steps=1)
    ...     log.drift(1, {"bn": Statistics(np.full(2, 0.5), np.ones(2), epsilon=1e-3)})
    >>> len(list((folder / "run").glob(f"*{FILE_SUFFIX}")))
    1
    """

    def __init__(self, log_dir: str | os.PathLike, reference: Snapshot, every: int = 1):
        if not reference:
            raise fail("reference", "to have at least one layer", {})
        self._folder, self._every = Path(log_dir), check_at_least("every", every, 1)
        self._reference, self._layers = reference, list(reference)
        self._modes: Mapping[str, Mode] = {}
        self._curves = {name: stock_tabs.Curves(name, self._layers) for name in tags.SERIES}
        self._blocks = {name: Blocks(name, len(self._layers)) for name in tags.SERIES}
        self._channels = ChannelSnapshots(reference)
        self._histograms = Thinning(stock_tabs.HISTOGRAMS)
        self._counts = dict.fromkeys((*tags.SERIES, "channels"), 0)
        self._fit, self._flushed = 0, -math.inf
        self._first: np.ndarray | None = None
        self._last: tuple[int, np.ndarray] | None = None
        self._last_mismatch: np.ndarray | None = None
        # What came after the last point of the curves.
        self._not_drawn: tuple[int, np.ndarray, list[float]] | None = None
        self._not_kept: tuple[int, Any] | None = None  # likewise for the channels
        self._channels_step = -1  # the last one that was kept
        self._events: Any = None  # an EventFile, between `begin` and `close`

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.end() if kind is None else self.close()

    def begin(
        self,
        modes: Mapping[str, Mode],
        first_step: int = 0,
        steps: int | None = None,
        epochs: int | None = None,
    ) -> None:
        """Begins a fit: opens a file and records the layers' modes.

        Args:
            modes: By path; empty if not known.
            first_step: Steps done before.
            steps: Steps of this fit, if known.
            epochs: Epochs of this fit, if known.
        """
        if modes and list(modes) != self._layers:
            raise fail("modes", f"to have the layers {self._layers}", list(modes))
        self._modes = modes
        self._events = EventFile(self._folder, FILE_SUFFIX)
        rows = None if steps is None else -(-steps // self._every)
        for thinned in (self._curves["drift"], self._blocks["drift"]):
            thinned.thinning.begin(rows)
        for thinning in (self._channels.thinning, self._histograms):
            thinning.begin(epochs)
        about = about_fit(self._reference, modes, first_step, self._every)
        self._events.add(first_step, summary(json_value(tags.about(self._fit), about)))
        if self._fit == 0:
            self._events.add(first_step, self._channels.reference(self._reference))
            self._events.add(first_step, stock_tabs.layout())
        self._fit += 1

    def drift(self, step: int, model: Any) -> None:
        """Records the drift of a model, or of a snapshot of the same layers, at a step."""
        now: Mapping[str, Statistics] = model if isinstance(model, Mapping) else take(model)
        if list(now) != self._layers:
            raise fail("model", f"to have the layers {self._layers}", list(now))
        values = drift.between(now.values(), self._reference.values())
        self.rows(np.array([check_at_least("step", step, 0)]), values[None])

    def rows(self, steps: np.ndarray, values: np.ndarray, mismatches: np.ndarray | None = None) -> None:
        """Records drift that was computed elsewhere.

        Args:
            steps: Shape `(n,)`.
            values: Shape `(n, layers, len(tfbn.drift.METRICS))`.
            mismatches: Shape `(layers, 2)`, measured after the last of the steps, or None.
        """
        numbers = self._curves["drift"].numbers(values) if len(values) else []
        for step, values_now, numbers_now in zip(steps.tolist(), values, numbers, strict=True):
            row = step // self._every
            self._first = values_now.copy() if self._first is None else self._first
            self._last, self._not_drawn = (step, values_now), (step, values_now, numbers_now)
            self._blocks["drift"].append(row, step, values_now, self._events.add)
            if self._curves["drift"].thinning.keeps(row):
                self._write_curves()
        if mismatches is not None:
            self.mismatch(int(steps[-1]), mismatches)

    def mismatch(self, step: int, values: np.ndarray) -> None:
        """Records the mismatch of every layer, shape `(layers, 2)`, see `tfbn.statistics.mismatch`."""
        shape = (len(self._layers), len(tags.SERIES["mismatch"]))
        if np.shape(values) != shape:
            raise fail("values", f"to be of shape {shape}, layers by metrics", np.shape(values))
        self._last_mismatch = np.asarray(values)
        count, curves = self._count("mismatch"), self._curves["mismatch"]
        self._blocks["mismatch"].append(count, step, self._last_mismatch, self._events.add)
        if curves.thinning.keeps(count):
            self._events.add(step, curves.point(step, self._last_mismatch))

    def performance(self, step: int, **measures: Mapping[str, float]) -> None:
        """Records how good the model is.

        Args:
            step: The step.
            **measures: `{name: value}`, such as `{"accuracy": 0.9, "loss": 0.3}`, for each of
                `training` (in training mode), `inference` (on the same data in inference
                mode), `fit` (as `fit` reports it) and `validation`.
        """
        unknown = set(measures) - set(tags.SOURCES)
        if unknown:
            raise fail("measures", f"to be of {list(tags.SOURCES)}", sorted(unknown))
        if not all(isinstance(v, numbers.Real) for by_name in measures.values() for v in by_name.values()):
            raise fail("measures", "to be numbers by name", measures)
        values = [
            stock_tabs.scalar(tags.performance(name, source), value, tags.SOURCES[source])
            for source, by_name in measures.items()
            for name, value in by_name.items()
        ]
        self._events.add(step, summary(*values))

    def channels(self, step: int, model: Any, only_if_due: bool = False) -> None:
        """Records every channel's statistics, gamma and beta, and histograms of the statistics.

        Args:
            step: The step.
            model: The model; or a snapshot of the same layers; or `{path: array}` with the
                rows mean, variance, gamma, beta.
            only_if_due: Leaves out what the thinning drops, without reading the model. Otherwise
                `end` keeps the latest values.
        """
        count = self._count("channels")
        kept, drawn = self._channels.thinning.keeps(count), self._histograms.keeps(count)
        if step == self._channels_step or (only_if_due and not (kept or drawn)):
            return
        values = _channels_of(model)
        if list(values) != self._layers:
            raise fail("model", f"to have the layers {self._layers}", list(values))
        self._not_kept = (step, values)
        if kept:
            self._write_channels()
        if drawn:
            self._events.add(step, stock_tabs.histograms(values))

    def resume(self, rows: Iterable[tuple[int, np.ndarray, np.ndarray | None]], epochs: int) -> None:
        """Continues after the events in the folder; to be called before `begin`.

        Args:
            rows: The rows in those events, one by one as `rows` takes them.
            epochs: Epochs that are done.
        """
        self._fit = len(files(self._folder))
        # Each fit writes the channels at its two ends, and at the end of an epoch at most.
        self._channels.written = self._counts["channels"] = epochs + 2 * self._fit
        self._remember(rows)

    def _remember(self, rows: Iterable[tuple[int, np.ndarray, np.ndarray | None]]) -> None:
        """Restores the state in memory from earlier rows; writes nothing.

        Args:
            rows: Step, values and mismatches of each, as `rows` takes them.
        """
        events, self._events = self._events, _Nowhere()
        try:
            for step, values, mismatches in rows:
                self.rows(np.array([step]), values[None], mismatches)
        finally:
            self._events = events

    def flush(self, seconds: float = 0.0) -> None:
        """Makes what was recorded visible to a TensorBoard that is running.

        Args:
            seconds: Does nothing if the last flush was less than this many seconds ago.
        """
        if time.monotonic() - self._flushed < seconds:
            return
        self._flushed = time.monotonic()
        for blocks in self._blocks.values():
            blocks.flush(self._events.add)
        self._events.flush()

    def end(self, heat_maps: bool = False) -> None:
        """Writes the last row, heat maps as images if requested, and the verdict; closes an open file."""
        if self._events is None:
            return
        self._write_curves()
        self._write_channels()
        for blocks in self._blocks.values():
            blocks.end(self._events.add)
        if self._last is not None and self._first is not None:
            step, values = self._last
            words = verdict(self._layers, self._modes, self._first, values, self._last_mismatch)
            self._events.add(step, stock_tabs.text("bn_verdict", words))
        for curves in self._curves.values() if heat_maps else ():
            for metric in curves.metrics if len(curves.steps) > 1 else ():
                self._events.add(curves.steps[-1], curves.heat_map(metric))
        self.close()

    def close(self) -> None:
        """Closes the file, if one is open."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def _write_curves(self) -> None:
        if self._not_drawn is not None:
            step, values, numbers = self._not_drawn
            self._events.add(step, self._curves["drift"].point(step, values, numbers))
            self._not_drawn = None

    def _write_channels(self) -> None:
        if self._not_kept is not None:
            self._channels_step, values = self._not_kept
            self._events.add(self._channels_step, self._channels.snapshot(values))
            self._not_kept = None

    def _count(self, what: str) -> int:
        self._counts[what] += 1
        return self._counts[what] - 1


def _channels_of(model: Any) -> Mapping[str, np.ndarray]:
    """The channels' values of a model, of a snapshot (gamma and beta are not known), or as given."""
    if not isinstance(model, Mapping):
        return channel_values(model)
    return {
        path: np.stack([s.mean, s.variance, np.full_like(s.mean, np.nan), np.full_like(s.mean, np.nan)])
        if isinstance(s, Statistics)
        else np.asarray(s)
        for path, s in model.items()
    }


def files(folder: str | os.PathLike) -> list[Path]:
    """The events in a folder that a recorder wrote, as TensorBoard reads them."""
    return sorted(Path(folder).glob(f"*{FILE_SUFFIX}"))


def clear(folder: str | os.PathLike) -> None:
    """Removes the events that an earlier recorder wrote into a folder; other files stay."""
    for path in files(folder):
        path.unlink()


class _Nowhere:
    """Stands in for an `EventFile` and writes nothing."""

    def add(self, step: int, summary: Any) -> None:
        pass
