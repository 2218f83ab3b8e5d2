"""Under MirroredStrategy: what is computed once of a model is what it is on one device."""

import keras
import numpy as np
import pytest

import tfbn
from tests.replicas import mirrored
from tfbn.utils.distribution import predictor

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a strategy of TensorFlow")

X = np.float32(np.random.default_rng(0).normal(2, 3, (11, 4)))
Y = X[:, :1]


def build():
    keras.utils.set_random_seed(0)
    norm = tfbn.layers.BatchNormalization(synchronized=True, name="norm")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5), norm, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.slow
def test_recalibration_and_cached_features_are_those_of_one_device():
    strategy = mirrored()
    one = build()
    with strategy.scope():
        inside = build()
    np.testing.assert_allclose(predictor(inside)(X), predictor(one)(X), rtol=1e-5)

    for model in (one, inside):
        with model.distribute_strategy.scope():
            assert tfbn.recalibrate(model, X, batch_size=4, verbose=False).samples == 11
    for ours, theirs in zip(inside.weights, one.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)

    parts = []
    for model in (one, inside):
        tfbn.freeze(model, up_to="norm", training=False)
        parts.append(tfbn.cache_features(model, X, Y, batch_size=4, verbose=False))
    rows = [np.stack([row for row, _ in part.data.as_numpy_iterator()]) for part in parts]
    assert [part.examples for part in parts] == [11, 11]
    np.testing.assert_allclose(*rows, rtol=1e-5, atol=1e-5)

    for part in parts:
        part.rest.fit(part.data.take(8).batch(4), epochs=3, shuffle=False, verbose=0)
    assert parts[1].rest.distribute_strategy is strategy
    np.testing.assert_allclose(inside.predict(X, verbose=0), one.predict(X, verbose=0), rtol=1e-4, atol=1e-5)
