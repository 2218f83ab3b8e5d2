"""One fit as a recorder sees it: from the first step to the last."""

import dataclasses
import os
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfbn.callbacks import traced as traced_parts
from tfbn.callbacks.batch_reader import BatchReader
from tfbn.callbacks.drift_log import DriftLog
from tfbn.callbacks.step_hook import StepHook
from tfbn.callbacks.step_ring import StepRing
from tfbn.callbacks.traced import Traced
from tfbn.graph.traversal import built_batch_normalizations
from tfbn.statistics import drift
from tfbn.statistics.mismatch import Probe
from tfbn.statistics.snapshots import Snapshot, take
from tfbn.statistics.two_modes import Performance
from tfbn.summary.writing import Writer
from tfbn.utils.distribution import scope_of

# What a running TensorBoard sees is at most so old; it reads every five seconds itself.
FLUSH_SECONDS = 2.0


@dataclasses.dataclass
class Position:
    """How far a recorder is, over all its fits.

    Attributes:
        step: Steps done before the fit that is under way.
        last_recorded: The last step that has a row; -1 if none has.
        epoch: The epoch that is under way.
        next_epoch: The one that comes after those that are done.
    """

    step: int = 0
    last_recorded: int = -1
    epoch: int = 0
    next_epoch: int = 0


@dataclasses.dataclass(frozen=True)
class RecordingOptions:
    """What a recorder was asked for; see `DriftRecorder`."""

    folder: Path
    every: int = 1
    probe: Any = None
    probe_labels: Any = None
    probe_every: int | None = None


class Recording:
    """Reads a model's statistics while it trains, and passes them on to the log and to TensorBoard.

    Args:
        model: A built model.
        reference: Where drift is measured from.
        wanted: What to record.
        position: Where the recorder is; kept up to date.
        summaries: What TensorBoard gets, begun; or None.
        hook: In the model's train step; or None, then statistics are read after each batch.
        traced: What may be used again of an earlier recording.

    Attributes:
        source: The `StepRing` or `BatchReader` that the rows come from.
    """

    def __init__(
        self,
        model: Any,
        reference: Snapshot,
        wanted: RecordingOptions,
        position: Position,
        summaries: Writer | None,
        hook: StepHook | None,
        traced: Traced,
    ):
        self._model, self._reference, self._options = model, reference, wanted
        self._position, self._summaries, self._hook, self._traced = position, summaries, hook, traced
        self._sites = built_batch_normalizations(model)
        self._watched = [(named.layer.moving_mean, named.layer.moving_variance) for named in self._sites]
        self._first_batch = True
        self.source: Any = self._reader() if hook is None else self._ring(hook)
        self._probe: Probe | None = None
        self._performance: Performance | None = None
        if wanted.probe is not None:
            self._open_probe()
        # The last thing, since from now on there is a file to be published or discarded.
        self._log = DriftLog(wanted.folder, {path: len(s.mean) for path, s in reference.items()})

    def _reader(self) -> BatchReader:
        per_execution = _steps_per_execution(self._model)
        if per_execution > 1:
            warnings.warn(
                f"On the {keras.backend.backend()} backend, DriftRecorder sees only the last of each "
                f"{per_execution} steps (steps_per_execution={per_execution}).",
                stacklevel=2,
            )
        return self._make(BatchReader, per_execution)

    def _ring(self, hook: StepHook) -> StepRing:
        with scope_of(self._model):
            ring = self._traced.ring
            if ring is None:
                ring = self._make(StepRing, _steps_per_execution(self._model))
            else:
                ring.restart(drift.Reference.of(self._reference.values()), self._position.step)
        hook.after_step = ring.record
        return ring

    def _make(self, kind: Any, per_execution: int) -> Any:
        layers = [named.layer for named in self._sites]
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

    # While it goes on.

    def batch_begins(self) -> None:
        """Makes room. Not at the batch's end: that may be the epoch's end, whose row gets a mismatch."""
        if self.source.nearly_full:
            self.flush()
            if self._summaries is not None:
                self._summaries.flush(FLUSH_SECONDS)

    def batch_ends(self, batch: int) -> None:
        before = self.source.at_most
        self.source.batch_ended(batch)
        if self._first_batch and self.source.step == before:
            # A loop of one's own that does not go through `model.train_step`.
            self.source = self._make(BatchReader, 1)
            self.source.batch_ended(batch)
        self._first_batch = False
        every = self._options.probe_every
        if every and self.source.at_most // every > before // every:
            self.record_now()

    def flush(self) -> None:
        """Passes on what was recorded since."""
        self._pass_on(*self.source.read())

    def epoch_ends(self) -> None:
        self.check_variables()
        if self._probe is not None:
            self.record_now()
        else:
            self.flush()

    def record_now(self) -> None:
        """Flushes; the row of this very step is there for sure, with its mismatch."""
        steps, values = self.source.read()
        step = self.source.step
        if step not in (self._position.last_recorded, *steps[-1:]):
            now = drift.between(take(self._model).values(), self._reference.values())
            steps = np.append(steps, step)
            values = np.concatenate([values, now[None].astype(np.float32)])
        self._pass_on(steps, values, self._probe.measure() if self._probe and len(steps) else None)
        if self._performance is not None and self._probe is not None and self._summaries is not None:
            self._summaries.performance(step, **self._performance.measure(self._probe.outputs))

    def _pass_on(self, steps: np.ndarray, values: np.ndarray, mismatches: np.ndarray | None = None) -> None:
        if not len(steps):
            return
        self._position.last_recorded = int(steps[-1])
        self._log.append(steps, self._position.epoch, values, mismatches)
        if self._summaries is not None:
            self._summaries.rows(steps, values, mismatches)

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the log so far into a folder."""
        self.flush()
        self._log.save(folder)

    def check_variables(self) -> None:
        """Raises `RuntimeError` if a layer's variables are others than at the beginning."""
        for named, (mean, variance) in zip(self._sites, self._watched, strict=True):
            if named.layer.moving_mean is not mean or named.layer.moving_variance is not variance:
                raise RuntimeError(
                    "Expected the layers to keep their variables while they are recorded. "
                    f"Received: layer {named.path!r} with new ones"
                )

    # The end.

    def publish(self) -> None:
        """Passes on the last rows; the log appears."""
        self.flush()
        self._position.step = self.source.step
        self._log.publish()

    def discard(self) -> None:
        """Throws away what this fit recorded."""
        self._log.discard()

    def leave_traced(self) -> None:
        """Keeps what is traced with the model, after a fit that went well."""
        if self._hook is not None:
            self._traced.ring = self.source if isinstance(self.source, StepRing) else None
            traced_parts.leave(self._model, self._traced, self._hook)


def serves(traced: Traced, model: Any, every: int) -> bool:
    """Whether a train function that was traced for an earlier recording can be this one's."""
    layers = [named.layer for named in built_batch_normalizations(model)]
    ring = traced.ring
    return ring is not None and ring.serves(layers, every, _steps_per_execution(model))


def _steps_per_execution(model: Any) -> int:
    return int(getattr(model, "steps_per_execution", 1) or 1)
