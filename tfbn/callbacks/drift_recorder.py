"""`DriftRecorder`: how every BatchNormalization layer's statistics move while a model trains."""

import os
import weakref
from pathlib import Path
from typing import Any

import keras

from tfbn.callbacks import building, log_files, log_place
from tfbn.callbacks import traced as traced_parts
from tfbn.callbacks.disk import Disk
from tfbn.callbacks.recording import FLUSH_SECONDS, Recording, serves
from tfbn.callbacks.recording_options import Position, RecordingOptions, check_output
from tfbn.callbacks.step_hook import StepHook, in_step
from tfbn.graph.traversal import built_batch_normalizations
from tfbn.statistics.snapshots import Snapshot, take
from tfbn.statistics.two_modes import in_both_modes
from tfbn.summary import modes, writing
from tfbn.utils.validation import fail


class DriftRecorder(keras.callbacks.Callback):
    """Records the drift of every BatchNormalization layer, step by step.

    After each train step, for each layer: how far the moving mean and variance are from
    a reference, in the metrics of `tfbn.drift`. The recorder does not change training, to the
    last bit. It computes the metrics inside the train step, so that it records every step,
    including those inside `steps_per_execution`, at almost no cost. (On JAX and PyTorch it
    reads them after the batch, and does not see the steps inside an execution.)

    It writes into `log_dir`:

    - `drift.parquet`, see `tfbn.callbacks.drift_log`; read it with `tfbn.callbacks.read_drift`,
      at any time, also while `fit` runs and after it was interrupted or killed;
    - TensorBoard events, for the BatchNorm tab (see `tfbn.tensorboard_plugin`) and for
      TensorBoard's own tabs (see `tfbn.summary.tags`): drift by layer and step, every
      channel at the end of each epoch, loss and metrics in both modes.

    Recording begins with the first batch, after every callback's `on_train_begin`, so drift is
    measured from the state that training really starts from. If `log_dir` already holds a log:

    - a `fit` that starts after epoch 0, as with `initial_epoch` or after
      `keras.callbacks.BackupAndRestore`, continues that log if the layers are the same;
    - otherwise the new log goes to a numbered folder next to it, and `log_dir` is set to that folder.
      Copies of a recorder, such as those that tuners make, therefore write separate logs.

    Memory use is bounded. Traced functions are kept with the model for its next recorded fit. Across
    several fits of one model, steps and epochs keep counting and the reference stays the same.

    In a custom training loop, use `keras.callbacks.CallbackList([recorder], model=model)` and
    call its methods as `fit` does. If the loop does not go through `model.train_step`, the
    statistics are read after each batch. If `fit` raises, the log has all rows so far; use the
    recorder as a context manager, or call `close`, to release the model immediately. A full disk
    ends the log with a warning, and sets `write_error`.

    Args:
        log_dir: A folder.
        every: Record the steps whose number is a multiple of this. Step 0, before
            training, is always recorded.
        probe: One batch of the model's inputs. If given, the mismatch between what `fit`
            normalizes by and what `predict` will (`tfbn.statistics.mismatch`) is recorded too: at
            the beginning and at each epoch's end; these steps are always recorded.
        probe_labels: The targets of that batch. If given and the model is compiled, its
            loss and metrics on it are measured in both modes too, for TensorBoard.
        probe_every: Also measure the mismatch every `probe_every` steps.
        reference: What drift is measured from, as returned by `tfbn.statistics.take`.
            `None` means the statistics at the beginning of the first fit.
        tensorboard: Whether to write TensorBoard events.
        heat_maps: Whether the events include heat maps as images.
        overwrite: Whether to replace a log in `log_dir`.

    Raises:
        InputError: A bad argument. In `fit`: the model has no BatchNormalization layer;
            `reference` has other layers; the recorder was used with another model.

    Example:

    >>> bn = keras.layers.BatchNormalization(momentum=0.5, name="bn")
    >>> model = keras.Sequential([keras.Input((2,)), bn, keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = np.array([[3.0, 0.0], [5.0, 1.0], [4.0, 0.0], [4.0, 1.0]])
    >>> recorder = DriftRecorder(folder / "log", probe=x)
    >>> _ = model.fit(x, x[:, :1], batch_size=2, verbose=0, callbacks=[recorder])
    >>> log = tfbn.callbacks.read_drift(folder / "log")
    >>> log[["step", "layer"]].values.tolist()
    [[0, 'bn'], [1, 'bn'], [2, 'bn']]
    >>> bool(log["mean_shift"].is_monotonic_increasing and log["mismatch"].iloc[-1] > 0)
    True
    """

    def __init__(
        self,
        log_dir: str | os.PathLike,
        every: int = 1,
        probe: Any = None,
        probe_every: int | None = None,
        reference: Snapshot | None = None,
        tensorboard: bool = True,
        heat_maps: bool = False,
        overwrite: bool = False,
        probe_labels: Any = None,
    ):
        arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        self._options = RecordingOptions(every, probe, probe_labels, probe_every)
        self.every = every
        check_output(log_dir, reference, tensorboard=tensorboard, heat_maps=heat_maps, overwrite=overwrite)
        self.log_dir = Path(log_dir)
        self._arguments = arguments | {"log_dir": self.log_dir}
        self._reference: Snapshot | None = reference
        self._model_began_with: weakref.ref | None = None
        self._position = Position()
        self._due = False  # a fit has begun, but not its first batch
        self._epoch_offset: int | None = None  # of this fit; None before its first epoch
        self._hook: StepHook | None = None  # while a model has it
        self._traced = traced_parts.Traced(())
        self._recording: Recording | None = None  # while a fit is under way
        self._abandoned: Any = None  # finishes the recording if nothing else does
        self._summaries: Any = None
        self._disk = Disk()

    def __getstate__(self) -> dict[str, Any]:
        """A copy or a pickle is a new recorder with the same arguments."""
        return self._arguments

    def __setstate__(self, arguments: dict[str, Any]) -> None:
        self.__init__(**arguments)  # type: ignore[misc]

    @property
    def write_error(self) -> OSError | None:
        """The first error of the disk while writing the log, or None."""
        return self._disk.error

    def __enter__(self) -> "DriftRecorder":
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.close()

    def close(self) -> None:
        """Finishes the log of a `fit` that raised, and releases the model."""
        if self._hook is not None:
            self._hook.remove()
        if self._recording is not None:
            self._recording.finish()
        log_files.release(self.log_dir, self)
        self._let_go()

    # Keras's callback methods.

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if model is None:
            return
        self.close()
        if building.is_ready(model):
            self._check(model)
        # `fit` makes its train function after this, and calls on_train_begin after that.
        if in_step():
            self._enter_the_step(model)

    def on_train_begin(self, logs: Any = None) -> None:
        self._due, self._epoch_offset = True, None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._epoch_offset is None:
            self._continue_or_move(epoch)
            self._epoch_offset = max(0, self._position.next_epoch - epoch)
        self._position.epoch = epoch + self._epoch_offset

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._epoch_offset is None:  # a custom loop without epochs
            self.on_epoch_begin(self._position.next_epoch)
        if self._recording is not None:
            self._recording.batch_begins()
        elif self._due and self._hook is not None and not building.is_ready(self.model):
            self._hook.before_step = self._start_in_the_step
        elif self._due:
            self._start(self.model)
        self._due = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # On JAX, `self.model` brings all variables up to date, which takes a third of a step.
        if self._recording is not None:
            self._recording.batch_ends(batch)
        elif building.is_ready(self.model):  # built by a step that could not be hooked
            self._start_late(self.model)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._recording is None:
            return
        self._recording.epoch_ends()
        self._position.next_epoch = self._position.epoch + 1
        if self._summaries is not None:
            step = self._recording.source.step
            self._summaries.performance(step, **in_both_modes(logs or {}))
            self._summaries.channels(step, self.model, only_if_due=True)
            self._summaries.flush(FLUSH_SECONDS)

    def on_train_end(self, logs: Any = None) -> None:
        if self._recording is not None:
            self._recording.flush()
            if self._summaries is not None:
                self._summaries.channels(self._recording.source.step, self.model)
                self._summaries.end(self._arguments["heat_maps"])
            self._recording.finish()
            self._recording.leave_traced()
        self.close()

    # Beginning.

    def _enter_the_step(self, model: Any) -> None:
        self._traced = traced_parts.take(model)
        self._hook = StepHook(model)
        if building.is_ready(model) and serves(self._traced, model, self.every):
            model.train_function = self._traced.train_function
        else:
            self._traced.ring = None

    def _continue_or_move(self, epoch: int) -> None:
        """Chooses the log folder, once the starting epoch is known."""
        if self._model_began_with is not None:
            return
        shapes = {each.path: each.layer.moving_mean.shape[0] for each in building.ready_layers(self.model)}
        place = log_place.decide(self, self.log_dir, epoch, shapes, self._arguments["overwrite"])
        self.log_dir = place.folder.absolute()  # the process may change its folder during `fit`
        if place.reference is not None:
            self._reference = place.reference
            self._position = Position(place.step, place.step, epoch, next_epoch=epoch)

    def _start(self, model: Any, before: Snapshot | None = None) -> None:
        self._check(model)
        first = self._model_began_with is None
        continued = first and self._position.last_recorded >= 0
        if first:
            self._model_began_with = weakref.ref(model)
            self._reference = self._reference or take(model)
            if self._arguments["tensorboard"]:
                writer = writing.Writer(self.log_dir, self._reference, self.every)
                self._summaries = self._disk.tolerant(writer)
        if self._summaries is not None:
            self._begin_summaries(model, first and not continued, continued)
        hook = self._hook if before is None else None  # too late: the step has been traced
        place = (model, self.log_dir, self._reference, self._options, self._position, self._summaries)
        self._recording = Recording(*place, hook, self._traced, self._disk)  # type: ignore[arg-type]
        self._abandoned = weakref.finalize(self, self._recording.finish)
        if first and not continued:
            if before is not None:
                self._recording.record(0, before)
            self._recording.record_now()
            self._recording.write()

    def _begin_summaries(self, model: Any, first: bool, continued: bool) -> None:
        """Before the first step of each fit."""
        if continued:
            self._summaries.resume(log_place.rows_of(self.log_dir), self._position.next_epoch)
        epochs, steps = (self.params or {}).get("epochs"), (self.params or {}).get("steps")
        total = epochs * steps if epochs and steps else None
        self._summaries.begin(modes(model), self._position.step, total, epochs)
        if first:
            self._summaries.channels(0, model)

    def _start_in_the_step(self, data: Any) -> None:
        """Builds a model before its first step, and starts recording."""
        import tensorflow as tf

        self._hook.before_step = None  # type: ignore[union-attr]
        # Leave the function that is being traced.
        with tf.init_scope():
            if building.has_call(self.model):
                building.build(self.model, data)
            if building.has_call(self.model) or building.is_ready(self.model):
                self._start(self.model)

    def _start_late(self, model: Any) -> None:
        """Starts after the first step; the statistics before it are those of the initializers."""
        start = building.initial_statistics(model)
        self._reference = self._reference or start
        self._position.step += building.steps_per_execution(model)
        self._start(model, start)

    def _check(self, model: Any) -> None:
        if self._model_began_with is not None and self._model_began_with() is not model:
            raise fail("model", "to be the one this recorder started with; use a new recorder", model.name)
        norms = built_batch_normalizations(model)
        if self._reference is not None:
            paths = {named.path: tuple(named.layer.moving_mean.shape) for named in norms}
            known = {path: s.mean.shape for path, s in self._reference.items()}
            if known != paths:
                raise fail("reference", f"to have the model's layers and channels {paths}", known)

    def _let_go(self) -> None:
        if self._abandoned is not None:
            self._abandoned.detach()
        self._hook = self._recording = self._abandoned = None
        self._due = False
        self._traced = traced_parts.Traced(())
