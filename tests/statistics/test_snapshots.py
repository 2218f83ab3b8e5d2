"""Moments, pooling and moving averages against numpy over all values at once."""

import keras
import numpy as np
import pytest

from tfbn import statistics


def unequal_batches(rng):
    sizes = (1, 7, 3, 64)
    return [rng.normal(100 * i, [0.1, 1, 5], (size, 2, 3)) for i, size in enumerate(sizes)]


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_moments_are_over_all_axes_but_one(axis, rng):
    x = rng.normal(3, 2, (4, 5, 6))
    result = statistics.moments(x, axis)
    others = tuple(i for i in range(3) if i != axis % 3)
    np.testing.assert_allclose(result.mean, x.mean(others))
    np.testing.assert_allclose(result.variance, x.var(others))
    assert result.count == x.size // x.shape[axis]


def test_pooled_batches_of_unequal_size_equal_the_whole(rng):
    batches = unequal_batches(rng)
    pooled = statistics.pool(statistics.moments(batch) for batch in batches)
    everything = np.concatenate(batches).reshape(-1, 3)
    np.testing.assert_allclose(pooled.mean, everything.mean(0), rtol=1e-12)
    np.testing.assert_allclose(pooled.variance, everything.var(0), rtol=1e-10)
    assert pooled.count == len(everything)


def test_pooling_is_not_the_mean_of_the_parts(rng):
    """So that the test above cannot pass by chance."""
    batches = unequal_batches(rng)
    parts = [statistics.moments(batch) for batch in batches]
    pooled = statistics.pool(parts)
    assert not np.allclose(pooled.mean, np.mean([p.mean for p in parts], 0), rtol=0.05)
    assert not np.allclose(pooled.variance, np.mean([p.variance for p in parts], 0), rtol=0.05)


def test_merging_does_not_cancel_far_from_zero(rng):
    x = 1e8 + rng.normal(size=(1000, 2))
    pooled = statistics.pool(statistics.moments(part) for part in np.split(x, [1, 10, 400]))
    np.testing.assert_allclose(pooled.variance, x.var(0), rtol=1e-6)


def test_closed_form_equals_repeated_updates(rng):
    old, new = rng.normal(size=4), rng.normal(5, 1, 4)
    value = old
    for _ in range(17):
        value = statistics.moving_average(value, new, momentum=0.9)
    np.testing.assert_allclose(statistics.moving_average_after(17, old, new, 0.9), value)
    gone = (value - old) / (new - old)
    np.testing.assert_allclose(gone, 1 - 0.9**17)


def test_snapshot_is_a_copy(rng):
    layer = keras.layers.BatchNormalization(name="bn", momentum=0.5, epsilon=0.25)
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.moving_mean.assign([1.0, 2.0, 3.0])
    snapshot = statistics.take(model)
    model(np.float32(rng.normal(9, 2, (8, 3))), training=True)
    assert snapshot["bn"].mean.tolist() == [1, 2, 3]
    assert snapshot["bn"].epsilon == 0.25
    assert np.all(statistics.take(model)["bn"].mean > 3)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: statistics.moments(np.zeros((0, 3))), "Expected `x` to have at least one value"),
        (lambda: statistics.pool([]), "Expected `parts` to have at least one element"),
        (lambda: statistics.moving_average(0, 1, 1.5), r"Expected `momentum` to be a number in \[0, 1\]"),
        (
            lambda: statistics.take(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])),
            "at least one BatchNormalization layer",
        ),
        (lambda: statistics.take(keras.Sequential([keras.layers.BatchNormalization()])), "to be built"),
    ],
)
def test_bad_input(call, text):
    with pytest.raises(ValueError, match=text):
        call()
