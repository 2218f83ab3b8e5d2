"""Logs of training that ends early, goes on elsewhere, or runs in copies of one recorder."""

import copy
import gc
import os
import pickle
import shutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.waiting import until
from tfbn.callbacks import DriftRecorder, read_drift, recording

STEPS = 4  # per epoch

pytestmark = pytest.mark.usefixtures("without_graph_rewriting")


def network():
    norm = keras.layers.BatchNormalization(name="norm", momentum=0.9)
    return keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(1, name="head")])


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(5, 2, (STEPS * 8, 3)).astype("float32"), np.zeros((STEPS * 8, 1))


def compiled(seed=0):
    keras.utils.set_random_seed(seed)
    model = network()
    model.compile("sgd", "mse")
    return model


def fit(data, callbacks, epochs=3, seed=0, model=None, **arguments):
    """Trains a new model, unless one is given."""
    model = model or compiled(seed)
    model.fit(*data, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks, **arguments)
    return model


class Ends(keras.callbacks.Callback):
    """Raises an error at a step, or at the beginning of an epoch."""

    def __init__(self, error, step=None, epoch=None):
        super().__init__()
        self.error, self.step, self.epoch = error, step, epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.step is not None and self.model.optimizer.iterations == self.step:
            raise self.error

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError], ids=lambda e: e.__name__)
def test_what_was_recorded_is_kept(error, data, tmp_path):
    with pytest.raises(error):
        fit(data, [DriftRecorder(tmp_path), Ends(error, step=6)])
    log = read_drift(tmp_path)
    assert log["step"].tolist() == list(range(7))
    # After k updates a moving mean has covered 1 - 0.9^k of the way to the batches' means.
    shifts = log["mean_shift"].to_numpy()
    assert np.all(np.diff(shifts) > 0)
    assert 0 < shifts[-1] < 5


def test_a_fit_that_stops_by_itself_has_a_whole_log(data, tmp_path):
    x = np.array(data[0])
    x[9] = np.inf  # in the second batch, on which the loss is NaN
    fit((x, data[1]), [DriftRecorder(tmp_path), keras.callbacks.TerminateOnNaN()])
    assert read_drift(tmp_path)["step"].max() == 2
    assert not list(tmp_path.glob("drift.*.parquet"))


def test_it_can_be_read_while_fit_runs(data, tmp_path):
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(int(read_drift(tmp_path)["step"].max()))
    )
    fit(data, [DriftRecorder(tmp_path, tensorboard=False), look], epochs=2)
    assert seen == list(range(1, 2 * STEPS + 1))


def test_what_is_on_disk_amid_training_can_be_read(data, tmp_path, monkeypatch):
    """As a killed process leaves it: nothing is flushed or closed any more."""
    monkeypatch.setattr(recording, "FLUSH_SECONDS", -1.0)  # time passes between any two batches
    log, left = tmp_path / "log", tmp_path / "left"

    def copy_folder(batch, logs):
        if batch == 2 and not left.exists():
            shutil.copytree(log, left)

    look = keras.callbacks.LambdaCallback(on_train_batch_end=copy_folder)
    fit(data, [DriftRecorder(log), look])
    found, whole = read_drift(left), read_drift(log)
    assert found["step"].tolist() == [0, 1, 2]  # the rows of a step are written as the next batch begins
    assert found["mean_shift"].tolist() == whole["mean_shift"].tolist()[:3]


@pytest.mark.long
def test_a_killed_process_leaves_what_was_on_disk(tmp_path):
    program = f"""
import keras, numpy as np
from tfbn.callbacks import DriftRecorder
norm = keras.layers.BatchNormalization(name="norm")
model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(1)])
model.compile("sgd", "mse")
x = np.random.default_rng(0).normal(5, 2, (800, 3)).astype("float32")
model.fit(x, x[:, :1], batch_size=1, epochs=9999, verbose=0, callbacks=[DriftRecorder({str(tmp_path)!r})])
"""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)

    def recorded():
        assert process.poll() is None
        return list(tmp_path.glob("drift.*")) and read_drift(tmp_path)["step"].max() > 20

    try:
        until(recorded, seconds=120)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    steps = read_drift(tmp_path)["step"].tolist()
    assert len(steps) > 20
    assert steps == list(range(len(steps)))


def test_a_training_that_is_restored_continues_its_log(data, tmp_path):
    """`BackupAndRestore` restores after the recorder was set up, and nothing is measured from before."""
    calm = tmp_path / "calm"
    fit(data, [DriftRecorder(calm)], epochs=4)
    log, backup = tmp_path / "log", tmp_path / "backup"
    with pytest.raises(RuntimeError):
        fit(
            data,
            [DriftRecorder(log), keras.callbacks.BackupAndRestore(backup), Ends(RuntimeError, epoch=2)],
            4,
        )
    fit(data, [DriftRecorder(log), keras.callbacks.BackupAndRestore(backup)], epochs=4, seed=1)
    continued, whole = read_drift(log), read_drift(calm)
    assert continued["step"].tolist() == list(range(4 * STEPS + 1))
    assert continued["epoch"].tolist() == whole["epoch"].tolist()
    np.testing.assert_allclose(continued["mean_shift"], whole["mean_shift"], rtol=1e-5)


def test_steps_of_an_epoch_that_is_trained_again_come_once(data, tmp_path, capsys):
    model = compiled()
    with pytest.raises(RuntimeError):
        fit(data, [DriftRecorder(tmp_path / "log"), Ends(RuntimeError, step=STEPS + 2)], model=model)
    model.fit(*data, batch_size=8, initial_epoch=1, epochs=3, verbose=0,
              callbacks=[DriftRecorder(tmp_path / "log")])  # fmt: skip
    log = read_drift(tmp_path / "log")
    assert log["step"].tolist() == list(range(3 * STEPS + 1))
    assert log["epoch"].tolist() == [0] * (STEPS + 1) + [1] * STEPS + [2] * STEPS
    said = capsys.readouterr().out
    assert f"at epoch 1; steps {STEPS + 1} to {STEPS + 2} are recorded again" in said


def test_a_custom_loop_without_epochs_moves_aside_too(data, tmp_path):
    first = fit(data, [DriftRecorder(tmp_path / "log", tensorboard=False)], epochs=2)
    before = read_drift(tmp_path / "log")
    recorder = DriftRecorder(tmp_path / "log", tensorboard=False)
    callbacks = keras.callbacks.CallbackList([recorder], model=first)
    callbacks.on_train_begin()
    for batch in range(3):
        callbacks.on_train_batch_begin(batch)
        first.train_on_batch(data[0][:8], data[1][:8])
        callbacks.on_train_batch_end(batch)
    callbacks.on_train_end()
    assert recorder.log_dir == tmp_path / "log-1"
    assert read_drift(recorder.log_dir)["step"].tolist() == [0, 1, 2, 3]
    assert read_drift(tmp_path / "log").equals(before)


def test_another_model_does_not_continue_a_log(data, tmp_path, capsys):
    fit(data, [DriftRecorder(tmp_path / "log", tensorboard=False)], epochs=1)
    before = read_drift(tmp_path / "log")
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.BatchNormalization(name="other"), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    recorder = DriftRecorder(tmp_path / "log", tensorboard=False)
    model.fit(*data, initial_epoch=1, epochs=2, verbose=0, callbacks=[recorder])
    assert recorder.log_dir == tmp_path / "log-1"
    assert read_drift(tmp_path / "log").equals(before)


def test_drift_is_measured_from_weights_that_a_callback_loads(data, tmp_path):
    trained = network()
    trained.get_layer("norm").moving_mean.assign(data[0].mean(0))
    trained.get_layer("norm").moving_variance.assign(data[0].var(0))
    load = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: load.model.set_weights(trained.get_weights())
    )
    fit(data, [DriftRecorder(tmp_path / "log"), load], epochs=1)
    log = read_drift(tmp_path / "log")
    assert log["mean_shift"].iloc[0] == 0
    assert 0 < log["mean_shift"].iloc[1] < 0.3  # from (0, 1) it would be above 4


def test_copies_write_logs_of_their_own(data, tmp_path, capsys):
    recorder = DriftRecorder(tmp_path / "log", heat_maps=False, probe=data[0][:4])
    model = None
    for epochs in (2, 1):
        model = fit(data, [copy.deepcopy(recorder)], epochs=epochs, model=model)
    assert read_drift(tmp_path / "log")["step"].max() == 2 * STEPS
    assert read_drift(tmp_path / "log-1")["step"].max() == STEPS
    assert "this one goes to" in capsys.readouterr().out


def test_two_recorders_in_one_fit(data, tmp_path):
    first, second = (DriftRecorder(tmp_path / "log", tensorboard=False) for _ in range(2))
    fit(data, [first, second], epochs=1)
    assert read_drift(first.log_dir)["step"].tolist() == list(range(STEPS + 1))
    assert first.log_dir != second.log_dir
    assert (
        read_drift(second.log_dir)["mean_shift"].tolist() == read_drift(first.log_dir)["mean_shift"].tolist()
    )


def test_pickle_after_a_fit(data, tmp_path):
    recorder = DriftRecorder(tmp_path / "log", every=2, tensorboard=False)
    model = fit(data, [recorder], epochs=1)
    again = pickle.loads(pickle.dumps(recorder))
    assert (again.log_dir, again.every) == (recorder.log_dir, 2)
    fit(data, [again], epochs=1, model=model)
    assert read_drift(tmp_path / "log-1")["step"].max() == STEPS


class Trains(keras.Model):
    """A model that is trained by its own step and never called."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def train_step(self, data):
        import tensorflow as tf

        x, _ = keras.utils.unpack_x_y_sample_weight(data)[:2]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.net(x, training=True) ** 2)
        self.optimizer.apply(tape.gradient(loss, self.net.trainable_variables), self.net.trainable_variables)
        return {"loss": loss}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a train step for TensorFlow")
def test_a_model_without_call(data, tmp_path):
    model, recorder = Trains(network()), DriftRecorder(tmp_path / "log", probe=data[0][:4])
    model.compile("sgd")
    with pytest.warns(UserWarning, match="continues without the mismatch"):
        model.fit(data[0], batch_size=8, verbose=0, callbacks=[recorder])
    model.fit(data[0], batch_size=8, verbose=0, callbacks=[recorder])
    log = read_drift(tmp_path / "log")
    assert log["step"].tolist() == list(range(2 * STEPS + 1))
    assert log["mismatch"].isna().all()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a train step for TensorFlow")
def test_a_model_without_call_that_is_built_by_its_first_step(data, tmp_path):
    norm = keras.layers.BatchNormalization(name="norm", momentum=0.9)
    model = Trains(keras.Sequential([norm, keras.layers.Dense(1)]))
    model.compile("sgd")
    model.fit(data[0], batch_size=8, shuffle=False, verbose=0, callbacks=[DriftRecorder(tmp_path / "log")])
    log = read_drift(tmp_path / "log")
    assert log["step"].tolist() == list(range(STEPS + 1))
    # One step covers a tenth of the way from (0, 1) to the first batch's mean.
    expected = np.sqrt(np.mean((0.1 * np.float64(data[0][:8]).mean(0)) ** 2 / (1 + 1e-3)))
    np.testing.assert_allclose(log["mean_shift"].iloc[:2], [0, expected], rtol=1e-4)


def test_two_recorders_that_may_overwrite_do_not_overwrite_each_other(data, tmp_path):
    model = fit(data, [DriftRecorder(tmp_path / "log", tensorboard=False)], epochs=2)
    both = [DriftRecorder(tmp_path / "log", tensorboard=False, overwrite=True) for _ in range(2)]
    fit(data, both, epochs=1)
    assert {each.log_dir for each in both} == {tmp_path / "log", tmp_path / "log-1"}
    assert [int(read_drift(each.log_dir)["step"].max()) for each in both] == [STEPS, STEPS]
    last = DriftRecorder(tmp_path / "log", tensorboard=False, overwrite=True)
    fit(data, [last], epochs=3, model=model)
    assert read_drift(tmp_path / "log")["step"].max() == 3 * STEPS


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a train step for TensorFlow")
def test_a_fit_without_batches_and_one_after_it(data, tmp_path):
    model, recorder = network(), DriftRecorder(tmp_path / "log")
    model.compile("sgd", "mse")
    model.fit(*data, initial_epoch=2, epochs=2, verbose=0, callbacks=[recorder])
    model.fit(*data, batch_size=8, verbose=0, callbacks=[recorder])
    gc.collect()
    assert read_drift(tmp_path / "log")["step"].max() == STEPS
