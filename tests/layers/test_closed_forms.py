"""What must hold exactly, by algebra."""

import keras
import numpy as np
import pytest

from tfbn.layers import BatchNormalization


@pytest.mark.parametrize("fused", [None, False])
def test_a_fresh_layer_in_inference_mode_divides_by_sqrt_one_plus_epsilon(fused, rng):
    x = np.float32(rng.normal(3, 2, (4, 5, 5, 2)))
    layer = BatchNormalization(epsilon=0.01, fused=fused)
    np.testing.assert_allclose(layer(x), x / np.sqrt(1.01), rtol=1e-6)


@pytest.mark.parametrize("fused", [None, False])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("training", [True, False])
def test_after_k_updates_the_statistics_have_gone_one_minus_momentum_to_the_k(momentum, training, fused, rng):
    x = np.float32(rng.normal([3, -1], [2, 1], (16, 3, 3, 2)))
    layer = BatchNormalization(
        momentum=momentum, fused=fused, training=training, update_statistics=True, trainable=False
    )
    for _ in range(7):
        layer(x, training=True)
    gone = 1 - momentum**7
    np.testing.assert_allclose(layer.moving_mean, gone * x.mean((0, 1, 2)), rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(layer.moving_variance, 1 + gone * (x.var((0, 1, 2)) - 1), rtol=2e-5)


@pytest.mark.parametrize("scale", [0.3, 10.0, -2.0])
def test_batch_statistics_absorb_the_scale_of_the_input_and_moving_ones_do_not(scale, rng):
    x = np.float32(rng.normal([3, -1], [2, 1], (16, 3, 3, 2)))
    by_batch = BatchNormalization(epsilon=1e-7, fused=False, training=True, trainable=False)
    by_moving = BatchNormalization(epsilon=1e-7, training=False)
    outputs, scaled = by_batch(x, training=True), by_batch(scale * x + 5, training=True)
    np.testing.assert_allclose(scaled, np.sign(scale) * np.array(outputs), atol=1e-4)
    difference = np.abs(np.array(by_moving(scale * x + 5, training=True) - by_moving(x, training=True)))
    assert difference.mean() > 0.5


@pytest.mark.parametrize("fused", [None, False])
def test_a_dense_batch_of_one_gives_beta_and_a_map_does_not(fused, rng):
    layer = BatchNormalization(fused=fused, training=True, trainable=False, beta_initializer="random_normal")
    dense = layer(np.float32(rng.normal(3, 2, (1, 4))), training=True)
    # Keras's own arithmetic adds `beta - mean * inv` and `x * inv` apart: equal to rounding only.
    np.testing.assert_allclose(dense[0], layer.beta, rtol=0, atol=0 if fused is None else 1e-5)
    maps = BatchNormalization(fused=fused, training=True)(
        np.float32(rng.normal(3, 2, (1, 8, 8, 4))), training=True
    )
    np.testing.assert_allclose(np.array(maps).std((0, 1, 2)), 1, atol=2e-3)


def test_momentum_one_holds_the_statistics_to_the_bit(rng):
    layer = BatchNormalization(momentum=1.0, training=True)
    layer.build((None, 3))
    layer.moving_mean.assign([0.1, 0.2, 0.3])
    before = np.array(layer.moving_mean, copy=True)
    layer(np.float32(rng.normal(3, 2, (8, 3))), training=True)
    np.testing.assert_array_equal(np.array(layer.moving_mean), before)


def test_the_flag_reaches_no_layer_after_it(rng):
    """In `fit`, a Dropout and a BN behind a layer with training=False are still in training mode."""
    inputs = keras.Input((6,))
    held = BatchNormalization(training=False, name="held")
    after = BatchNormalization(name="after")
    outputs = keras.layers.Dense(3)(keras.layers.Dropout(0.5)(after(held(inputs))))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    x = np.float32(rng.normal(3, 2, (32, 6)))
    before = {v.path: v.numpy().copy() for v in model.variables}
    model.fit(x, np.float32(rng.normal(size=(32, 3))), verbose=0)
    for statistic in (held.moving_mean, held.moving_variance):
        np.testing.assert_array_equal(statistic.numpy(), before[statistic.path])
    for statistic in (after.moving_mean, after.moving_variance):
        assert np.all(statistic.numpy() != before[statistic.path])
    assert np.all(held.gamma.numpy() != before[held.gamma.path])
    # Dropout draws new numbers at each training call, so two calls differ; in inference they do not.
    assert np.any(np.array(model(x, training=True)) != np.array(model(x, training=True)))
    np.testing.assert_array_equal(np.array(model(x)), np.array(model(x)))
