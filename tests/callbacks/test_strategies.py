"""The recorder under MirroredStrategy: a step is one step, however many replicas take part."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import numpy as np
from tfbn.callbacks import DriftRecorder, read_drift
from tfbn.statistics.drift import distances
from tfbn.statistics.snapshots import take

with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    bn = keras.layers.BatchNormalization(synchronized=True, name="bn")
    model = keras.Sequential([keras.Input((4,)), bn, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
x = np.float32(np.random.default_rng(0).normal(2, 1, (64, 4)))
before = take(model)["bn"]
probe = {"probe": x[:8], "probe_labels": x[:8, :1]}
recorder = DriftRecorder(sys.argv[1], every=2, **probe, heat_maps=False)
model.fit(x, x[:, :1], batch_size=16, epochs=2, verbose=0, callbacks=[recorder])
log = read_drift(sys.argv[1])
assert log["step"].tolist() == [0, 2, 4, 6, 8], log
assert log["epoch"].tolist() == [0, 0, 0, 1, 1], log
for name, value in distances(take(model)["bn"], before).items():
    np.testing.assert_allclose(log[name].iloc[-1], value, rtol=1e-5)
    assert value > 0

# Another recorder of the same model uses what was traced for the first.
before = take(model)["bn"]
model.fit(x, x[:, :1], batch_size=16, verbose=0, callbacks=[DriftRecorder(sys.argv[1] + "/again", every=2)])
log = read_drift(sys.argv[1] + "/again")
assert log["step"].tolist() == [0, 2, 4], log
for name, value in distances(take(model)["bn"], before).items():
    np.testing.assert_allclose(log[name].iloc[-1], value, rtol=1e-5)
"""


@pytest.mark.long
def test_mirrored(tmp_path):
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], check=True, timeout=300)
