"""What is traced for one recorder serves the next one of the same model, and never a moment too long."""

import keras
import numpy as np
import pytest

import tfbn
from tests.callbacks.test_drift_recorder import ByHand, arrays, check_against, data, train
from tfbn.callbacks import DriftRecorder, read_drift
from tfbn.callbacks.recording import serves
from tfbn.statistics.mismatch import Probe
from tfbn.transforms.retracing import TRACED_ATTRIBUTE

assert arrays, data  # fixtures


class Counting(keras.layers.Layer):
    """Counts how often Python comes by: once for each trace."""

    traces = 0

    def call(self, x):
        self.traces += 1
        return x * 1.0


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    norm = tfbn.BatchNormalization(momentum=0.8, name="norm")
    model = keras.Sequential([keras.Input((5,)), Counting(name="counting"), norm, keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    return model


def recorded(model, data, folder, **arguments):
    """Fits, holds the log against statistics read by hand; returns how many traces that took."""
    by_hand, before = ByHand(), model.get_layer("counting").traces
    recorder = DriftRecorder(folder, tensorboard=False, **arguments)
    train(model, data, [by_hand, recorder])
    every = arguments.get("every", 1)
    steps = list(range(0, len(by_hand.snapshots), every))
    check_against(read_drift(folder), by_hand.snapshots, steps, 1e-3)
    return model.get_layer("counting").traces - before


def test_the_next_recorder_traces_nothing_unless_its_stride_is_another(model, data, tmp_path):
    assert recorded(model, data, tmp_path / "first") > 0
    assert recorded(model, data, tmp_path / "second") == 0
    traces = model.get_layer("counting").traces
    train(model, data)
    assert model.get_layer("counting").traces > traces  # its own, without the recorder in it
    assert recorded(model, data, tmp_path / "third") == 0
    assert recorded(model, data, tmp_path / "fourth", every=2) > 0


def test_with_a_probe_neither(model, data, tmp_path):
    x, y = data
    logs = []
    for name, batch in (("first", slice(0, 8)), ("second", slice(8, 16))):
        before = model.get_layer("counting").traces
        probe = {"probe": x[batch], "probe_labels": y[batch], "heat_maps": False}
        train(model, data, [DriftRecorder(tmp_path / name, **probe)])
        logs.append((model.get_layer("counting").traces - before, read_drift(tmp_path / name)))
    of_modes = 2  # audited for TensorBoard, each time: the flags may be others
    assert logs[0][0] > of_modes
    assert logs[1][0] == of_modes
    ours = logs[1][1]["mismatch"].iloc[-1]
    assert ours == pytest.approx(Probe(model, x[8:16]).measure()[0, 0], rel=1e-6)
    assert ours != pytest.approx(Probe(model, x[:8]).measure()[0, 0], rel=1e-3)


def test_one_recorder_in_several_fits_but_not_with_new_variables(model, data, tmp_path):
    recorder, by_hand = DriftRecorder(tmp_path, tensorboard=False), ByHand()
    train(model, data, [by_hand, recorder])
    before = model.get_layer("counting").traces
    train(model, data, [by_hand, recorder])
    assert model.get_layer("counting").traces == before
    snapshots = by_hand.snapshots[:6] + by_hand.snapshots[7:]
    check_against(read_drift(tmp_path), snapshots, list(range(len(snapshots))), 1e-3)
    assert serves(vars(model)[TRACED_ATTRIBUTE], model, every=1)
    vars(model.get_layer("norm"))["moving_mean"] = keras.Variable(np.ones(5), trainable=False, name="other")
    assert not serves(vars(model)[TRACED_ATTRIBUTE], model, every=1)


def compile_anew(model):
    model.compile(model.optimizer, "mae", jit_compile=False)


def freeze(model):
    tfbn.freeze(model, "norm", training=True)


def run_eagerly(model):
    model.run_eagerly = True


def let_it_be_held(model):
    model.get_layer("norm").training = False


@pytest.mark.parametrize("change", [compile_anew, freeze, run_eagerly, let_it_be_held])
def test_not_after_a_change(change, model, data, tmp_path):
    recorded(model, data, tmp_path / "first")
    norm = model.get_layer("norm")
    before = np.array(norm.gamma), np.array(norm.moving_mean)
    change(model)
    traces = model.get_layer("counting").traces
    train(model, data, [DriftRecorder(tmp_path / "second", tensorboard=False)])
    assert model.get_layer("counting").traces > traces
    assert np.array_equal(before[0], norm.gamma) == (change is freeze)
    assert np.array_equal(before[1], norm.moving_mean) == (change is let_it_be_held)


@pytest.mark.parametrize("change", [freeze, let_it_be_held])
def test_not_after_a_change_in_the_middle_of_fit(change, model, data, tmp_path):
    meanwhile = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batch or change(model))
    train(model, data, [DriftRecorder(tmp_path / "first", tensorboard=False), meanwhile])
    norm, traces = model.get_layer("norm"), model.get_layer("counting").traces
    before = np.array(norm.gamma), np.array(norm.moving_mean)
    train(model, data, [DriftRecorder(tmp_path / "second", tensorboard=False)])
    assert model.get_layer("counting").traces > traces
    assert np.array_equal(before[0], norm.gamma) == (change is freeze)
    assert np.array_equal(before[1], norm.moving_mean) == (change is let_it_be_held)


def test_not_what_two_recorders_had_together(model, data, tmp_path):
    together = [DriftRecorder(tmp_path / name, tensorboard=False) for name in "ab"]
    train(model, data, together)
    assert recorded(model, data, tmp_path / "alone") > 0
    for name in "ab":
        assert read_drift(tmp_path / name)["step"].max() == 5


def test_nothing_is_kept_after_a_fit_that_failed(model, data, tmp_path):
    class Fails(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    recorder = DriftRecorder(tmp_path / "failed", tensorboard=False)
    with pytest.raises(KeyboardInterrupt):
        train(model, data, [recorder, Fails()])
    recorder.close()
    assert TRACED_ATTRIBUTE not in vars(model)


def test_it_is_not_saved_with_the_model(model, data, tmp_path):
    recorded(model, data, tmp_path / "log")
    assert TRACED_ATTRIBUTE in vars(model)
    model.save(tmp_path / "model.keras")
    custom = {"Counting": Counting}
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=custom)
    assert TRACED_ATTRIBUTE not in vars(loaded)
    np.testing.assert_array_equal(loaded(data[0]), model(data[0]))
    model.export(tmp_path / "exported", verbose=False)
    exported = b"".join(p.read_bytes() for p in (tmp_path / "exported").rglob("*") if p.is_file())
    assert b"recorder_rows" not in exported
