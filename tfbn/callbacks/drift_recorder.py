"""`DriftRecorder`: how every BatchNormalization layer's statistics move while a model trains."""

import os
import shutil
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfbn.callbacks import drift_log
from tfbn.callbacks import traced as traced_parts
from tfbn.callbacks.recorder_state import RecorderState
from tfbn.callbacks.recording import FLUSH_SECONDS, Position, Recording, RecordingOptions, serves
from tfbn.callbacks.step_hook import StepHook
from tfbn.graph.traversal import NamedLayer, built_batch_normalizations
from tfbn.statistics.snapshots import Snapshot, take
from tfbn.statistics.two_modes import in_both_modes
from tfbn.summary import modes, writing
from tfbn.utils.files import can_be_written
from tfbn.utils.validation import check_at_least, fail


class DriftRecorder(keras.callbacks.Callback):
    """Records the drift of every BatchNormalization layer, step by step.

    After each train step, for each layer: how far the moving mean and variance are from
    a reference, in the metrics of `tfbn.drift`. Training is not changed by it, to the
    last bit. The metrics are computed inside the train step, so that every step is
    recorded, those inside `steps_per_execution` too, at next to no cost. (On JAX and
    PyTorch they are read after the batch; steps inside an execution are not seen there.)

    It writes into `log_dir`:

    - `drift.parquet`, see `tfbn.callbacks.drift_log`; read it with
      `tfbn.callbacks.read_drift`. The file appears when `fit` ends, whole;
    - TensorBoard events, for the tab BatchNorm (see `tfbn.tensorboard_plugin`) and for
      TensorBoard's own tabs (see `tfbn.summary.tags`): drift by layer and step, every
      channel at the end of each epoch, loss and metrics in both modes, heat maps.

    Memory is bounded, however long the training is. What is traced for a recorder stays with
    the model: its next recorded fit, by whatever recorder, traces nothing anew.

    The same recorder may be used in several fits of one model: steps and epochs count
    on, the reference stays. In a training loop of your own, use
    `keras.callbacks.CallbackList([recorder], model=model)` and call its methods as `fit`
    does: at the beginning and the end of training, of each epoch and of each batch. If the
    loop does not go through `model.train_step`, the statistics are read after each batch.

    If `fit` raises, no `drift.parquet` appears. The model's next `fit` trains as if there
    had been no recorder; with the same recorder again it records on. Use the recorder as
    a context manager, or call `close`, to free the model at once.

    A training that is continued from a checkpoint in another process has one log as well:
    `save` a recorder beside the checkpoint, and `restore` a new one from it.

    Args:
        log_dir: A folder. It must not hold another recorder's log.
        every: Record the steps whose number is a multiple of this. Step 0, before
            training, is always recorded.
        probe: One batch of the model's inputs. If given, the mismatch between what `fit`
            normalises by and what `predict` will (`tfbn.statistics.mismatch`) is recorded too: at
            the beginning and at each epoch's end. The step is then recorded, whatever
            `every` says.
        probe_labels: The targets of that batch. If given and the model is compiled, its
            loss and metrics on the probe are measured in training and in inference mode
            too, at the same steps, for TensorBoard.
        probe_every: Measure the mismatch also after every so many steps.
        reference: Where drift is measured from, as `tfbn.statistics.take` gives it.
            `None`: the statistics at the beginning of the first fit.
        tensorboard: Whether to write TensorBoard events.
        heat_maps: Whether these have heat maps as images too; the BatchNorm tab draws its own.
        overwrite: Whether a log that is in `log_dir` may be replaced.

    Raises:
        ValueError: `log_dir` cannot be written, or holds a log and `overwrite` is False;
            `every` or `probe_every` is not positive; `probe_labels` are not as many as the
            probe. In `fit`: the model has no BatchNormalization
            layer; `reference` has other layers; the recorder was used with another model.
        RuntimeError: In `fit`: the variables of a layer were replaced while it was
            recorded.

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
        super().__init__()
        self.every = check_at_least("every", every, 1)
        if probe_every is not None:
            check_at_least("probe_every", probe_every, 1)
        for name, value in {"probe_every": probe_every, "probe_labels": probe_labels}.items():
            if value is not None and probe is None:
                raise fail("probe", f"to be a batch of inputs, since {name} is set", probe)
        if probe_labels is not None and len(set(map(_examples, (probe, probe_labels)))) > 1:
            what = f"to be the targets of the probe, which has {_examples(probe)} examples"
            raise fail("probe_labels", what, np.shape(probe_labels))
        if not isinstance(log_dir, (str, os.PathLike)) or not can_be_written(log_dir):
            raise fail("log_dir", "to be a folder that can be written", log_dir)
        self.log_dir = Path(log_dir)
        if not overwrite and (self.log_dir / drift_log.NAME).exists():
            raise fail("log_dir", f"to hold no {drift_log.NAME} (overwrite=True replaces it)", str(log_dir))
        self._options = RecordingOptions(self.log_dir, every, probe, probe_labels, probe_every)
        self._reference: Any = reference
        self._tensorboard, self._heat_maps = tensorboard, heat_maps
        self._began_with: weakref.ref | None = None
        self._position = Position()
        self._hook: StepHook | None = None  # while a model has it
        self._traced = traced_parts.Traced(())
        self._recording: Any = None  # a Recording, while a fit is under way
        self._summaries: writing.Writer | None = None
        self._began = self._fit_begins = False
        self._restored: RecorderState | None = None
        self._epoch_offset = 0

    def __enter__(self) -> "DriftRecorder":
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.close()

    def close(self) -> None:
        """Frees the model. What a fit that raised had recorded is thrown away."""
        if self._hook is not None:
            self._hook.remove()
        if self._recording is not None:
            self._recording.discard()
        if self._summaries is not None:
            self._summaries.close()
        self._let_go()

    def save(self, folder: str | os.PathLike) -> None:
        """Writes what `restore` needs: the log so far, the TensorBoard events, where it is.

        To be called after the recorder's own `on_epoch_end`, by a callback that comes
        after it, or after a fit.

        Args:
            folder: For this alone; made if missing.

        Raises:
            RuntimeError: Nothing was recorded yet.

        Example:

        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
        >>> model.compile("sgd", "mse")
        >>> def fit(recorder, **epochs):
        ...     x = np.array([[3.0, 0.0], [5.0, 1.0]])
        ...     _ = model.fit(x, x, verbose=0, callbacks=[recorder], **epochs)
        >>> recorder = DriftRecorder(folder / "first part")
        >>> fit(recorder, epochs=2)
        >>> recorder.save(folder / "saved")
        >>> later = DriftRecorder(folder / "whole")
        >>> later.restore(folder / "saved", model)
        >>> fit(later, initial_epoch=2, epochs=3)
        >>> tfbn.callbacks.read_drift(folder / "whole")["epoch"].tolist()
        [0, 0, 1, 2]
        """
        if not self._began:
            raise RuntimeError("Expected a recorder that has recorded. Received: one before its first fit")
        folder = self._another_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        position = self._position
        step = position.step
        if self._recording is not None:
            self._recording.save(folder)
            step = self._recording.source.step
        else:
            shutil.copyfile(self.log_dir / drift_log.NAME, folder / drift_log.NAME)
        summaries = self._summaries.save(folder) if self._summaries is not None else {}
        last, following = position.last_recorded, position.next_epoch
        RecorderState(self._reference, step, last, following, summaries).save(folder)

    def restore(self, folder: str | os.PathLike, model: Any) -> None:
        """Records on where another recorder was when it was saved; to be called before `fit`.

        The saved log and events are copied into `log_dir`. Steps, epochs and the reference
        are those of the saved recorder.

        Args:
            folder: What `save` wrote.
            model: What is going to be fitted.

        Raises:
            OSError: Something is missing.
            ValueError: Something is damaged, or the model has other layers. Nothing was
                changed.
            RuntimeError: This recorder has recorded already.
        """
        if self._began:
            raise RuntimeError(
                "Expected a recorder that has not recorded yet. Received: one after its first fit"
            )
        folder = self._another_folder(folder)
        state = RecorderState.load(folder)
        if drift_log.layers_in(folder) != list(state.reference):
            raise fail("folder", "to hold a log and a reference of the same layers", str(folder))
        self._check_layers(state.reference, built_batch_normalizations(model))
        drift_log.clear(self.log_dir)
        writing.clear(self.log_dir)
        self.log_dir.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / drift_log.NAME, self.log_dir / drift_log.NAME)
        self._reference, self._restored, self._began = state.reference, state, True
        self._position = Position(state.step, state.last_recorded, next_epoch=state.next_epoch)
        if self._tensorboard:
            self._summaries = writing.Writer(self.log_dir, self._reference, self.every)
            if state.summaries:
                self._summaries.restore(folder, state.summaries)

    def _another_folder(self, folder: str | os.PathLike) -> Path:
        if Path(folder).resolve() == self.log_dir.resolve():
            raise fail("folder", "to be another one than log_dir", str(folder))
        return Path(folder)

    # What Keras calls.

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if model is None:
            return
        self._recover()
        if not self._built_in_the_step(model):
            self._check(model, built_batch_normalizations(model))
        # `fit` makes its train function after this, and calls on_train_begin after that.
        if in_step():
            self._enter_the_step(model)

    def on_train_begin(self, logs: Any = None) -> None:
        self._fit_begins = True
        if self._hook is not None and self._built_in_the_step(self.model):
            self._hook.before_step = self._start_in_the_step
        else:
            self._start(self.model)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._fit_begins:
            self._epoch_offset = max(0, self._position.next_epoch - epoch)
            self._fit_begins = False
        self._position.epoch = epoch + self._epoch_offset

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._recording is not None:
            self._recording.batch_begins()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        _ = self.model  # on JAX, this brings the layers' variables up to date
        self._recording.batch_ends(batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._recording.epoch_ends()
        self._position.next_epoch = self._position.epoch + 1
        if self._summaries is not None:
            step = self._recording.source.step
            self._summaries.performance(step, **in_both_modes(logs or {}))
            self._summaries.channels(step, self.model, only_if_due=True)
            self._summaries.flush(FLUSH_SECONDS)

    def on_train_end(self, logs: Any = None) -> None:
        self._recording.check_variables()
        self._recording.flush()
        if self._summaries is not None:
            self._summaries.channels(self._recording.source.step, self.model)
            self._summaries.end(self._heat_maps)
        self._recording.publish()
        self._recording.leave_traced()
        if self._hook is not None:
            self._hook.remove()
        self._let_go()

    # Beginning.

    def _enter_the_step(self, model: Any) -> None:
        self._traced = traced_parts.take(model)
        self._hook = StepHook(model)
        if model.built and serves(self._traced, model, self.every):
            model.train_function = self._traced.train_function
        else:
            self._traced.ring = None

    def _start(self, model: Any) -> None:
        first = not self._began
        if first:
            self._begin(model)
        self._began_with = weakref.ref(model)
        if self._summaries is not None:
            self._begin_summaries(model, first)
        self._recording = Recording(
            model, self._reference, self._options, self._position, self._summaries, self._hook, self._traced
        )
        if first:
            self._recording.record_now()

    def _begin(self, model: Any) -> None:
        """Once, before the first step."""
        drift_log.clear(self.log_dir)
        writing.clear(self.log_dir)
        self._began = True
        self._reference = self._reference or take(model)
        if self._tensorboard:
            self._summaries = writing.Writer(self.log_dir, self._reference, self.every)

    def _begin_summaries(self, model: Any, first: bool) -> None:
        """Before the first step of each fit."""
        summaries: Any = self._summaries
        epochs, steps = (self.params or {}).get("epochs"), (self.params or {}).get("steps")
        total = epochs * steps if epochs and steps else None
        summaries.begin(modes(model), self._position.step, total, epochs)
        if self._restored is not None:
            summaries.remember(drift_log.rows_of(self.log_dir / drift_log.NAME))
            self._restored = None
        if first:
            summaries.channels(0, model)

    def _built_in_the_step(self, model: Any) -> bool:
        """On TensorFlow, `fit` builds a subclassed model no sooner than in its first step."""
        return in_step() and not model.built

    def _start_in_the_step(self, data: Any) -> None:
        """Before the first step of a model that is not built: builds it, and starts."""
        import tensorflow as tf

        self._hook.before_step = None  # type: ignore[union-attr]
        # Out of the function that is being traced.
        with tf.init_scope():
            inputs, *_ = keras.utils.unpack_x_y_sample_weight(data)
            self.model(keras.tree.map_structure(_symbolic, inputs))
            self._check(self.model, built_batch_normalizations(self.model))
            self._start(self.model)

    def _check(self, model: Any, named_layers: list[NamedLayer]) -> None:
        if self._began_with is not None and self._began_with() is not model:
            raise fail("model", "to be the one this recorder began with; use a new recorder", model.name)
        if self._reference is not None:
            self._check_layers(self._reference, named_layers)

    def _check_layers(self, reference: Snapshot, named_layers: list[NamedLayer]) -> None:
        paths = {named.path: tuple(named.layer.moving_mean.shape) for named in named_layers}
        known = {path: s.mean.shape for path, s in reference.items()}
        if known != paths:
            raise fail("reference", f"to have the model's layers and channels {paths}", known)

    # The end.

    def _recover(self) -> None:
        """After a fit that raised: what it recorded is kept if recording goes on."""
        if self._hook is not None:
            self._hook.remove()
        if self._recording is not None:
            self._recording.publish()
        if self._summaries is not None:
            self._summaries.close()
        self._let_go()

    def _let_go(self) -> None:
        self._hook = self._recording = None
        self._traced = traced_parts.Traced(())


def _examples(batch: Any) -> int | None:
    shape = np.shape(keras.tree.flatten(batch)[0])
    return shape[0] if shape else None


def _symbolic(tensor: Any) -> Any:
    return keras.KerasTensor(tensor.shape, keras.backend.standardize_dtype(tensor.dtype))


def in_step() -> bool:
    """Whether this backend's train step can hold the recorder."""
    return keras.backend.backend() == "tensorflow"
