"""Under MirroredStrategy a layer that joins starts as on one device."""

import keras
import numpy as np
import tensorflow as tf

import tfbn
from tests.replicas import mirrored

RNG = np.random.default_rng(0)
X, Y = np.float32(RNG.normal(size=(24, 4))), np.float32(RNG.normal(size=(24, 1)))


def trained(strategy, **compiled):
    with strategy.scope():
        keras.utils.set_random_seed(1)
        layers = [keras.layers.Dense(5, name="hidden"), keras.layers.Dense(1, name="head")]
        model = keras.Sequential([keras.Input((4,)), *layers])
        model.get_layer("hidden").trainable = False
        optimizer = keras.optimizers.Nadam(0.01, use_ema=True)
        model.compile(optimizer, "mse", **compiled)
    model.fit(X, Y, batch_size=8, verbose=0, shuffle=False)
    tfbn.unfreeze(model, "hidden")
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0, shuffle=False)
    assert model.optimizer is optimizer
    return [w.numpy() for w in model.weights]


def test_a_late_start_on_two_replicas():
    replicas, single = trained(mirrored()), trained(tf.distribute.get_strategy(), run_eagerly=True)
    for now, then in zip(replicas, single, strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-4, atol=1e-5)
