"""A disk that is full, or gone, in the middle of training: the fit goes on to the same weights."""

import errno

import keras
import numpy as np
import pytest

from tests.callbacks.test_interrupted import STEPS, fit
from tfbn.callbacks import DriftRecorder, drift_log, read_drift, recording
from tfbn.summary.event_file import EventFile

FULL = OSError(errno.ENOSPC, "No space left on device")
EPOCHS = 3


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(5, 2, (STEPS * 8, 3)).astype("float32"), np.zeros((STEPS * 8, 1))


class Fills(keras.callbacks.Callback):
    """Takes the disk away at a step, and gives it back at another."""

    def __init__(self, monkeypatch, owners, step, until=None):
        super().__init__()
        self.monkeypatch, self.owners, self.step, self.until = monkeypatch, owners, step, until

    def on_train_batch_begin(self, batch, logs=None):
        step = int(self.model.optimizer.iterations)
        if step == self.step:
            for owner, name in self.owners:
                self.monkeypatch.setattr(owner, name, self.full)
        elif step == self.until:
            self.monkeypatch.undo()

    @staticmethod
    def full(*args, **kwargs):
        raise FULL


LOG, EVENTS = (drift_log, "written_whole"), (EventFile, "_write")


def recorded(data, folder, callbacks, **arguments):
    """The weights after a fit, with what the recorder warned of."""
    recorder = DriftRecorder(folder, probe=data[0][:8], heat_maps=True, **arguments)
    with pytest.warns(UserWarning, match="can no longer write its log; training continues") as told:
        model = fit(data, [*callbacks, recorder], epochs=EPOCHS)
    assert len([each for each in told if "no longer write" in str(each.message)]) == 1
    assert recorder.write_error is FULL
    return model


@pytest.mark.parametrize("owners", [[LOG], [EVENTS], [LOG, EVENTS]], ids=["log", "events", "both"])
def test_a_full_disk_ends_the_log_and_not_the_fit(owners, data, tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "FLUSH_SECONDS", -1.0)  # what is written lags by one step
    with monkeypatch.context() as patched:
        model = recorded(data, tmp_path, [Fills(patched, owners, step=6)])
    calm = fit(data, [], epochs=EPOCHS)
    for plain, seen in zip(calm.weights, model.weights, strict=True):
        np.testing.assert_array_equal(plain, seen)
    steps = read_drift(tmp_path)["step"].tolist()
    assert steps == list(range(6 if LOG in owners else EPOCHS * STEPS + 1))


def test_rows_wait_until_the_disk_is_back(data, tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "FLUSH_SECONDS", -1.0)
    with monkeypatch.context() as patched:
        recorded(data, tmp_path, [Fills(patched, [LOG], step=3, until=6)], tensorboard=False)
    assert read_drift(tmp_path)["step"].tolist() == list(range(EPOCHS * STEPS + 1))
    assert not list(tmp_path.glob("drift.*.parquet"))


def test_a_recorder_of_the_same_model_goes_on_when_the_disk_is_back(data, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        model = recorded(data, tmp_path / "full", [Fills(patched, [LOG, EVENTS], step=6)])
    recorder = DriftRecorder(tmp_path / "next")
    model.fit(*data, batch_size=8, verbose=0, callbacks=[recorder])
    assert recorder.write_error is None
    assert read_drift(tmp_path / "next")["step"].tolist() == list(range(STEPS + 1))


def test_other_errors_are_not_taken_for_the_disk(data, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise ValueError("not the disk")

    monkeypatch.setattr(drift_log.DriftLog, "append", broken)
    with pytest.raises(ValueError, match="not the disk"):
        fit(data, [DriftRecorder(tmp_path)])
