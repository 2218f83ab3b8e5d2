"""The errors of batches against closed forms."""

import keras
import numpy as np
import pytest

import tfbn
from experiments.batch_size import sampling


def one_layer(shape):
    model = keras.Sequential([keras.Input(shape), tfbn.BatchNormalization(name="bn")])
    bn = model.layers[0]
    bn.beta.assign(np.linspace(-1, 1, shape[-1]))
    return model


@pytest.mark.parametrize("alike", [False, True], ids=["independent positions", "equal positions"])
def test_errors_fall_with_the_number_of_independent_values(rng, alike):
    x = rng.normal(3.0, [1.0, 5.0], (400, 4, 4, 2)).astype("float32")
    if alike:
        x = np.broadcast_to(x[:, :1, :1], x.shape)
    table = sampling.errors(one_layer((4, 4, 2)), x, (1, 4, 16), seed=0)
    independent = table.batch_size * (1 if alike else 16)
    assert table["values"].tolist() == [16, 64, 256]
    np.testing.assert_allclose(table.mean_error, independent**-0.5, rtol=0.15)
    # Of one value the variance is 0, so the whole of it is missing.
    expected = np.sqrt((2 * (independent - 1) + 1) / independent**2)
    np.testing.assert_allclose(table.variance_error, expected, rtol=0.2)


def test_a_dead_channel_does_not_count(rng):
    x = rng.normal(size=(200, 3)).astype("float32")
    alive = sampling.errors(one_layer((3,)), x, (4,), seed=0).mean_error[0]
    x[:, 1] = 7.0
    table = sampling.errors(one_layer((3,)), x, (4,), seed=0)
    np.testing.assert_allclose(table.mean_error[0], alive, rtol=0.2)


def test_outputs_are_beta_exactly_where_a_channel_has_one_value(rng):
    dense, image = one_layer((5,)), one_layer((2, 2, 5))
    one = rng.normal(size=(1, 2, 2, 5)).astype("float32")
    assert sampling.distance_from_beta(dense, one[:, 0, 0]) == {"bn": 0.0}
    assert sampling.distance_from_beta(image, one)["bn"] > 0.5
    assert sampling.distance_from_beta(dense, rng.normal(size=(2, 5)).astype("float32"))["bn"] > 0.5
