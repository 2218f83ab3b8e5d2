"""The mismatch between batch and moving statistics, and that probing changes nothing."""

import keras
import numpy as np
import pytest

import tfbn
from tests import drift_oracle
from tfbn.statistics.mismatch import Probe

EPSILON = 0.01


def make_model(layer, dropout=True, channels=3):
    parts = [keras.layers.Dropout(0.5)] if dropout else []
    model = keras.Sequential([keras.Input((channels,)), *parts, layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def set_statistics(layer, rng):
    layer.moving_mean.assign(rng.normal(2, 1, layer.moving_mean.shape))
    layer.moving_variance.assign(rng.uniform(1, 5, layer.moving_mean.shape))
    return layer


def batch(rng, channels=3):
    return np.float32(rng.normal(1, np.arange(1, channels + 1), (16, channels)))


def oracle(x, layer):
    statistics = x.mean(0, np.float64), x.var(0, dtype=np.float64)
    moving = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    values = drift_oracle.metrics(*statistics, *moving, layer.epsilon)
    return [values["kl"], values["mean_shift"]]


def stock(trainable):
    return keras.layers.BatchNormalization(epsilon=EPSILON, trainable=trainable)


def apart(training, update, trainable):
    return tfbn.BatchNormalization(
        epsilon=EPSILON, training=training, update_statistics=update, trainable=trainable
    )


BY_BATCH = [(stock, (True,)), (apart, (True, False, False)), (apart, (True, None, True))]
BY_MOVING = [(stock, (False,)), (apart, (False, True, True)), (apart, (None, None, False))]


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize(("make", "flags"), BY_BATCH)
def test_by_batch_equals_oracle(make, flags, eager, rng):
    layer = make(*flags)
    model = make_model(layer, dropout=False)
    model.run_eagerly = eager
    set_statistics(layer, rng)
    x = batch(rng)
    np.testing.assert_allclose(Probe(model, x).measure(), [oracle(x, layer)], rtol=1e-5)


@pytest.mark.parametrize(("make", "flags"), BY_MOVING)
def test_by_moving_is_exactly_zero(make, flags, rng):
    layer = make(*flags)
    model = make_model(layer)
    set_statistics(layer, rng)
    assert Probe(model, batch(rng)).measure().tolist() == [[0, 0]]


@pytest.mark.parametrize(("make", "flags"), BY_BATCH + BY_MOVING)
def test_nothing_in_the_model_changes(make, flags, rng):
    layer = make(*flags)
    model = make_model(layer)
    set_statistics(layer, rng)
    keras.random.uniform(())  # makes the global seed generator
    variables = [*model.variables, keras.src.random.seed_generator.global_seed_generator().state]
    assert any("seed" in v.path for v in model.variables)
    before = [v.numpy().copy() for v in variables]
    probe = Probe(model, batch(rng))
    assert probe.measure().tolist() == probe.measure().tolist()
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_follows_the_moving_statistics(rng):
    layer = apart(True, None, False)
    model = make_model(layer, dropout=False)
    x = batch(rng)
    probe = Probe(model, x)
    far = probe.measure()
    layer.moving_mean.assign(x.mean(0))
    layer.moving_variance.assign(x.var(0))
    np.testing.assert_allclose(probe.measure(), 0, atol=1e-3)
    assert np.all(far > 0.1)


def test_shared_layer_has_the_mean_over_its_uses(rng):
    layer = stock(True)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layer(inputs) + layer(keras.ops.square(inputs)))
    set_statistics(layer, rng)
    x = batch(rng)
    expected = np.mean([oracle(x, layer), oracle(np.square(x), layer)], axis=0)
    np.testing.assert_allclose(Probe(model, x).measure(), [expected], rtol=1e-5)


def test_several_inputs_and_an_unused_layer(rng):
    class TwoInputs(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.unused = stock(True), stock(True)
            self.unused.build((None, 3))

        def call(self, inputs, training=None):
            return self.used(inputs["a"] + inputs["b"], training=training)

    model = TwoInputs()
    x = {"a": batch(rng), "b": batch(rng)}
    model(x)
    result = Probe(model, x).measure()
    np.testing.assert_allclose(result[0], oracle(x["a"] + x["b"], model.used), rtol=1e-5)
    assert np.all(np.isnan(result[1]))
