"""Under MirroredStrategy a layer that joins starts as on one device."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tfbn

RNG = np.random.default_rng(0)
X, Y = np.float32(RNG.normal(size=(24, 4))), np.float32(RNG.normal(size=(24, 1)))


def trained(strategy):
    with strategy.scope():
        keras.utils.set_random_seed(1)
        layers = [keras.layers.Dense(5, name="hidden"), keras.layers.Dense(1, name="head")]
        model = keras.Sequential([keras.Input((4,)), *layers])
        model.get_layer("hidden").trainable = False
        optimizer = keras.optimizers.Nadam(0.01, use_ema=True)
        model.compile(optimizer, "mse")
    model.fit(X, Y, batch_size=8, verbose=0, shuffle=False)
    tfbn.unfreeze(model, "hidden")
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0, shuffle=False)
    assert model.optimizer is optimizer
    return [w.numpy() for w in model.weights]


def compare():
    """Needs a process in which TensorFlow has not started its devices."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    replicas = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    for now, then in zip(replicas, trained(tf.distribute.get_strategy()), strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-4, atol=1e-5)
    print("the same on one device and on two")


def test_a_late_start_on_two_replicas():
    command = [sys.executable, "-m", "tests.transforms.test_late_start_on_replicas"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "the same on one device and on two" in done.stdout


if __name__ == "__main__":
    compare()
