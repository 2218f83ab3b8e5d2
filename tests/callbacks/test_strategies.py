"""The recorder under MirroredStrategy: a step is one step, however many replicas take part."""

import keras
import numpy as np
import pytest

from tests.replicas import mirrored
from tfbn.callbacks import DriftRecorder, read_drift
from tfbn.statistics.drift import distances
from tfbn.statistics.snapshots import take

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a strategy of TensorFlow")


def test_mirrored(tmp_path):
    with mirrored().scope():
        bn = keras.layers.BatchNormalization(synchronized=True, name="bn")
        model = keras.Sequential([keras.Input((4,)), bn, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    x = np.float32(np.random.default_rng(0).normal(2, 1, (64, 4)))
    before = take(model)["bn"]
    probe = {"probe": x[:8], "probe_labels": x[:8, :1]}
    recorder = DriftRecorder(tmp_path / "log", every=2, **probe, heat_maps=False)
    model.fit(x, x[:, :1], batch_size=16, epochs=2, verbose=0, callbacks=[recorder])
    log = read_drift(tmp_path / "log")
    assert log["step"].tolist() == [0, 2, 4, 6, 8]
    assert log["epoch"].tolist() == [0, 0, 0, 1, 1]
    check_last(log, model, before)
    # Another recorder of the same model uses what was traced for the first.
    before = take(model)["bn"]
    again = DriftRecorder(tmp_path / "again", every=2)
    model.fit(x, x[:, :1], batch_size=16, verbose=0, callbacks=[again])
    log = read_drift(tmp_path / "again")
    assert log["step"].tolist() == [0, 2, 4]
    check_last(log, model, before)


def check_last(log, model, before):
    for name, value in distances(take(model)["bn"], before).items():
        np.testing.assert_allclose(log[name].iloc[-1], value, rtol=1e-5)
        assert value > 0
