"""Under MirroredStrategy: what is computed once of a model is what it is on one device."""

import subprocess
import sys

import pytest

PROGRAM = """
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import numpy as np
import tfbn
from tfbn.utils.distribution import predictor

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x = np.float32(np.random.default_rng(0).normal(2, 3, (11, 4)))
y = x[:, :1]

def build():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(5), tfbn.layers.BatchNormalization(synchronized=True), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("sgd", "mse")
    return model

one = build()
with strategy.scope():
    inside = build()

np.testing.assert_allclose(predictor(inside)(x), predictor(one)(x), rtol=1e-5)

for model in (one, inside):
    with model.distribute_strategy.scope():
        assert tfbn.recalibrate(model, x, batch_size=4, verbose=False).samples == 11
for ours, theirs in zip(inside.weights, one.weights):
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)

parts = []
for model in (one, inside):
    tfbn.freeze(model, up_to="batch_normalization*", training=False)
    parts.append(tfbn.cache_features(model, x, y, batch_size=4, verbose=False))
rows = [np.stack([row for row, _ in part.data.as_numpy_iterator()]) for part in parts]
assert [part.examples for part in parts] == [11, 11]
np.testing.assert_allclose(*rows, rtol=1e-5, atol=1e-5)

for part in parts:
    part.rest.fit(part.data.take(8).batch(4), epochs=3, shuffle=False, verbose=0)
assert parts[1].rest.distribute_strategy is strategy
np.testing.assert_allclose(inside.predict(x, verbose=0), one.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
"""


@pytest.mark.long
def test_recalibration_and_cached_features_are_those_of_one_device():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=300)
