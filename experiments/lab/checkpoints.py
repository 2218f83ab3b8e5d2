"""Training that goes on at the last finished epoch after its process was killed.

A checkpoint is one zip file in the work folder's `checkpoints`, written whole, in place of
the one before. A run that finishes drops its own.

Keras's `BackupAndRestore` does not serve: it leaves out the seeds of Dropout, so that what
comes after differs, and a kill while it saves leaves weights of one epoch with the number
of another.
"""

import contextlib
import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from tfbn.utils.files import written_whole
from tfbn.utils.validation import InputError, fail

from . import store
from .experiment import Experiment, RunConfig


class Part(Protocol):
    """Something beside the model that has a state, as a `tfbn.DriftRecorder`."""

    def save(self, folder: Path) -> None: ...

    def restore(self, folder: Path, model: Any) -> None: ...


class Checkpoint(keras.callbacks.Callback):
    """Keeps the state of a training, and brings it back. The last of a fit's callbacks.

    The state is every variable of the model and its optimizer, seeds too, the history, and
    the parts, whose errors in `restore` mean that nothing was changed.

    Args:
        path: The file.
        every: Epochs between two checkpoints.
        parts: What else has a state, by name.

    Attributes:
        epochs: How many epochs were done when the checkpoint was made that was restored.
        history: A list of values for each metric, one an epoch, those before included.
    """

    def __init__(self, path: Path, every: int, parts: dict[str, Part]):
        super().__init__()
        self.path, self.every, self.parts = path, every, parts
        self.epochs = 0
        self.history: dict[str, list[float]] = {}
        self._data: Any = None
        self._iterators = 0  # made of the data before

    def restore(self, model: Any, data: Any, steps: int | None = None) -> Any:
        """Brings back a compiled, built model. One line says that it did, or why it did not.

        Args:
            model: What is going to be fitted.
            data: A `tf.data.Dataset`, new.
            steps: Steps in an epoch, if `fit` is told so and the data have no end.

        Returns:
            The data as `fit` finds them in the next epoch, orders that it draws included.
        """
        self._data = data = _counting(data)
        if self.path.exists():
            self._try(model)
        if steps is not None:  # one iterator for all epochs
            return data.skip(self.epochs * steps)
        for _ in range(self._iterators):
            iter(data)
        return data

    def _try(self, model: Any) -> None:
        try:
            with _scratch(self.path) as folder:
                with zipfile.ZipFile(self.path) as archive:
                    archive.extractall(folder)  # checks every file's CRC
                self._restore(model, folder)
        except Exception as error:  # whatever is wrong with it, the run can be done without
            _say(f"Warning: the checkpoint {self.path} cannot be used, its run starts again ({error}).")
        else:
            _say(f"{self.path.with_suffix('')}: continued after epoch {self.epochs}.")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        if (epoch + 1) % self.every == 0:
            self._save(epoch + 1)

    def _save(self, epochs: int) -> None:
        with _scratch(self.path) as folder:
            variables = _variables(self.model)
            arrays = [np.atleast_1d(keras.ops.convert_to_numpy(variable)) for variable in variables]
            # As bytes, since numpy's format knows no bfloat16.
            np.savez(folder / "variables.npz", *(array.view(np.uint8) for array in arrays))
            about = {"epochs": epochs, "history": self.history, "iterators": self._data.iterators}
            about |= _identity(self.model)
            (folder / "about.json").write_text(json.dumps(about))
            for name, part in self.parts.items():
                part.save(folder / name)
            with written_whole(self.path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
                for file in sorted(folder.rglob("*")):
                    archive.write(file, file.relative_to(folder))

    def _restore(self, model: Any, folder: Path) -> None:
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        variables = _variables(model)
        about = json.loads((folder / "about.json").read_text())
        for key, now in _identity(model).items():
            if about[key] != now:
                raise ValueError(f"it is of other {key}")
        with np.load(folder / "variables.npz", allow_pickle=False) as file:
            arrays = [file[f"arr_{i}"] for i in range(len(variables))]
        values = [
            array.view(keras.ops.convert_to_numpy(variable).dtype).reshape(variable.shape)
            for variable, array in zip(variables, arrays, strict=True)
        ]
        progress = about["epochs"], about["history"], about["iterators"]
        for name, part in self.parts.items():
            part.restore(folder / name, model)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self.epochs, self.history, self._iterators = progress


def check(experiment: Experiment, config: RunConfig) -> None:
    """Raises `InputError` if runs could not continue as the options ask."""
    if config.checkpoint_every and not experiment.resumable:
        raise fail(
            "checkpoint_every",
            f"to be 0, since runs of {experiment.name} leave no checkpoints",
            config.checkpoint_every,
        )
    if config.checkpoint_every and config.results == "return":
        raise InputError(
            "Expected results=folder with `checkpoint_every`, since checkpoints lie in a folder that workers "
            f"share. Received: checkpoint_every={config.checkpoint_every}, results={config.results!r}"
        )


def of_run(config: RunConfig, folder: Path, parts: dict[str, Part]) -> Checkpoint | None:
    """The checkpoint of the run that has this folder; None if the options want none."""
    if not config.checkpoint_every:
        return None
    return Checkpoint(store.checkpoint_of(folder), config.checkpoint_every, parts)


def _counting(data: Any) -> Any:
    """The same data, which count the iterators that are made of them.

    Each draws the next order, and Keras makes more of them than there are epochs.
    """

    class Counting(type(data)):  # type: ignore[misc]
        iterators = 0

        def __iter__(self) -> Any:
            self.iterators += 1
            return super().__iter__()

    data.__class__ = Counting
    return data


def _variables(model: Any) -> Sequence[Any]:
    return [*model.variables, *model.optimizer.variables]  # `variables` has the seeds, `weights` has not


def _identity(model: Any) -> dict[str, Any]:
    """What must be the same for a training to go on to the bit."""
    forms = [[*v.shape, keras.backend.standardize_dtype(v.dtype)] for v in _variables(model)]
    return {"code": store.code_and_versions(), "variables": forms}


@contextlib.contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """A temporary folder beside a file; what a killed process leaves of it, the store drops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent) as name:
        yield Path(name)


def _say(line: str) -> None:
    print(" ".join(line.split()), file=sys.stderr)
