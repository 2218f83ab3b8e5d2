"""The recording of one fit, from its first step to its last."""

import functools
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfbn.callbacks import log_files, reference_file
from tfbn.callbacks import traced as traced_parts
from tfbn.callbacks.batch_reader import BatchReader
from tfbn.callbacks.building import steps_per_execution
from tfbn.callbacks.disk import Disk
from tfbn.callbacks.drift_log import DriftLog
from tfbn.callbacks.recording_options import Position, RecordingOptions
from tfbn.callbacks.state_reader import StateReader
from tfbn.callbacks.step_hook import StepHook
from tfbn.callbacks.step_ring import StepRing
from tfbn.callbacks.traced import Traced
from tfbn.graph.traversal import built_batch_normalizations
from tfbn.statistics import drift
from tfbn.statistics.mismatch import Probe
from tfbn.statistics.snapshots import Snapshot, take_one
from tfbn.statistics.two_modes import Performance
from tfbn.summary.writing import Writer
from tfbn.utils.distribution import scope_of

# Maximum age of unwritten rows, on disk and in a running TensorBoard.
FLUSH_SECONDS = 2.0


class Recording:
    """Reads a model's statistics while it trains, and passes them on to the log and to TensorBoard.

    Args:
        model: A built model.
        folder: The folder of the log.
        reference: Where drift is measured from.
        options: The recorder's options.
        position: The recorder's position, which is updated.
        summaries: The open TensorBoard summaries, or None.
        hook: The hook in the model's train step; None to read statistics after each batch.
        traced: Traced functions of an earlier recording that may be reused.
        disk: The disk of the log, which may fail.

    Attributes:
        source: The `StepRing` or `BatchReader` that the rows come from.
    """

    def __init__(
        self,
        model: Any,
        folder: Path,
        reference: Snapshot,
        options: RecordingOptions,
        position: Position,
        summaries: Writer | None,
        hook: StepHook | None,
        traced: Traced,
        disk: Disk,
    ):
        self._model, self._reference, self._options = model, reference, options
        self._position, self._summaries, self._hook, self._traced = position, summaries, hook, traced
        self._named = built_batch_normalizations(model)
        self._watched = [(named.layer.moving_mean, named.layer.moving_variance) for named in self._named]
        self._first_batch, self._warned = True, False
        traced_parts.note_flags(model, traced)
        self.source: Any = self._reader() if hook is None else self._ring(hook)
        self._probe: Probe | None = None
        self._performance: Performance | None = None
        if options.probe is not None and not position.without_probe:
            self._attempt("the probe", self._open_probe)
        log = DriftLog(folder, {path: len(s.mean) for path, s in reference.items()})
        self._log = disk.tolerant(log, tried_again=("flush",))
        self._written, self._finished = time.monotonic(), False
        reference_file.save(folder, reference)
        log_files.UNDER_WAY[folder.resolve()] = self

    def _reader(self) -> BatchReader:
        per_execution = steps_per_execution(self._model)
        if per_execution > 1:
            warnings.warn(
                f"On the {keras.backend.backend()} backend, DriftRecorder sees only the last of each "
                f"{per_execution} steps (steps_per_execution={per_execution}).",
                stacklevel=2,
            )
        return self._make(self._kind_of_reader(), per_execution)

    def _kind_of_reader(self) -> Any:
        if keras.backend.backend() == "jax":
            return functools.partial(StateReader, self._model)
        return BatchReader

    def _ring(self, hook: StepHook) -> StepRing:
        with scope_of(self._model):
            ring = self._traced.ring
            if ring is None:
                ring = self._make(StepRing, steps_per_execution(self._model))
            else:
                ring.restart(drift.Reference.of(self._reference.values()), self._position.step)
        hook.after_step = ring.record
        return ring

    def _make(self, kind: Any, per_execution: int) -> Any:
        layers = [named.layer for named in self._named]
        reference = drift.Reference.of(self._reference.values())
        return kind(layers, reference, self._options.every, self._position.step, per_execution)

    def _open_probe(self) -> None:
        inputs, labels, traced = self._options.probe, self._options.probe_labels, self._traced
        if traced.probe is None:
            traced.probe = Probe(self._model, inputs)
        else:
            traced.probe.look_at(inputs)
        self._probe = traced.probe
        if labels is None or self._summaries is None:
            return
        if traced.performance is None:
            traced.performance = Performance(self._model, inputs, labels)
        else:
            traced.performance.look_at(inputs, labels)
        self._performance = traced.performance

    # During training.

    def batch_begins(self) -> None:
        """Makes room. Not at the batch's end: that may be the epoch's end, whose row gets a mismatch."""
        if self.source.nearly_full or time.monotonic() - self._written > FLUSH_SECONDS:
            self.write()
            if self._summaries is not None:
                self._summaries.flush(FLUSH_SECONDS)
        self.source.batch_begins()

    def batch_ends(self, batch: int) -> None:
        before = self.source.at_most
        self.source.batch_ended(batch)
        if self._first_batch and self.source.step == before:
            # A custom loop that does not go through `model.train_step`.
            self.source = self._make(self._kind_of_reader(), 1)
            self.source.batch_ended(batch)
        self._first_batch = False
        every = self._options.probe_every
        if every and self.source.at_most // every > before // every:
            if hasattr(self._model, "jax_state_sync"):  # the probe reads the model's variables
                self._model.jax_state_sync()
            self.record_now()

    def flush(self) -> None:
        """Passes the rows since the last call on to the log and the summaries."""
        self._pass_on(*self.source.read())

    def write(self) -> None:
        """Flushes, and writes all rows to disk."""
        if not self._finished:
            self.flush()
            self._log.flush()
            self._written = time.monotonic()

    def epoch_ends(self) -> None:
        if self._probe is not None:
            self.record_now()
        else:
            self.flush()

    def record_now(self) -> None:
        """Flushes, with a row for the current step that includes the mismatch."""
        steps, values = self.source.read()
        step = self.source.step
        if step not in (self._position.last_recorded, *steps[-1:]):
            steps = np.append(steps, step)
            values = np.concatenate([values, self._row_now()[None]])
        measured = self._attempt("the mismatch", self._probe.measure) if self._probe and len(steps) else None
        self._pass_on(steps, values, measured)
        if self._performance is not None and self._probe is not None and self._summaries is not None:
            outputs, measure = self._probe.outputs, self._performance.measure
            measures = self._attempt("the probe's loss and metrics", lambda: measure(outputs))
            self._summaries.performance(step, **(measures or {}))

    def _row_now(self) -> np.ndarray:
        replaced, reference = self._replaced(), list(self._reference.values())
        kept = [i for i in range(len(reference)) if i not in replaced]
        values = np.full((len(reference), len(drift.METRICS)), np.nan, np.float32)
        if kept:
            now = [take_one(self._named[i].layer) for i in kept]
            values[kept] = drift.between(now, [reference[i] for i in kept])
        return values

    def _attempt(self, what: str, measure: Callable[[], Any]) -> Any:
        """Measures the probe; if that fails, warns once and continues without it."""
        try:
            return measure()
        except Exception as error:  # a model's own code can raise anything
            self._probe, self._performance, self._position.without_probe = None, None, True
            first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            warnings.warn(
                f"DriftRecorder continues without {what}, which could not be measured: {first}", stacklevel=2
            )
            return None

    def record(self, step: int, now: Snapshot) -> None:
        """A row of statistics that are known from elsewhere."""
        values = drift.between(now.values(), self._reference.values())
        self._pass_on(np.array([step]), values[None].astype(np.float32))

    def _pass_on(self, steps: np.ndarray, values: np.ndarray, mismatches: np.ndarray | None = None) -> None:
        if not len(steps):
            return
        replaced = self._replaced()
        if replaced:
            values = values.copy()
            values[:, replaced] = np.nan
            if mismatches is not None:
                mismatches[replaced] = np.nan
        self._position.last_recorded = int(steps[-1])
        self._log.append(steps, self._position.epoch, values, mismatches)
        if self._summaries is not None:
            self._summaries.rows(steps, values, mismatches)

    def _replaced(self) -> list[int]:
        """The layers whose variables are others than at the beginning; they are named once."""
        found = [
            i
            for i, (named, (mean, variance)) in enumerate(zip(self._named, self._watched, strict=True))
            if named.layer.moving_mean is not mean or named.layer.moving_variance is not variance
        ]
        if found and not self._warned:
            self._warned = True
            names = ", ".join(repr(self._named[i].path) for i in found[:5])
            warnings.warn(
                f"DriftRecorder continues without the layers {names}: their moving statistics were replaced "
                "by other variables during recording, so from now on their values are NaN. Assign to the "
                "variables instead, or start with a new recorder.",
                stacklevel=2,
            )
        return found

    # The end.

    def finish(self) -> None:
        """Passes on the last rows and merges the log into one file; does nothing if that is done."""
        if self._finished:
            return
        self.flush()
        self._finished = True
        self._position.step = self.source.step
        self._log.publish()
        if self._summaries is not None:
            self._summaries.close()

    def leave_traced(self) -> None:
        """Keeps the traced functions with the model, after a successful fit."""
        if self._hook is not None:
            self._traced.ring = self.source if isinstance(self.source, StepRing) else None
            traced_parts.leave(self._model, self._traced, self._hook)


def serves(traced: Traced, model: Any, every: int) -> bool:
    """Whether a train function traced for an earlier recording can be reused."""
    layers = [named.layer for named in built_batch_normalizations(model)]
    ring = traced.ring
    return ring is not None and ring.serves(layers, every, steps_per_execution(model))
