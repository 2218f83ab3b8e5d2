"""Drift metrics: against an oracle, in numpy and in TensorFlow, and what they must be invariant to."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import drift_oracle
from tfbn.statistics import drift
from tfbn.statistics.snapshots import Statistics

EPSILON = 1e-3


def random_layers(rng, sizes=(3, 1, 8)):
    def one(size):
        return Statistics(
            np.float64(np.float32(rng.normal(2, 1, size))),
            np.float64(np.float32(rng.uniform(0.1, 4, size))),
            EPSILON,
        )

    return [one(size) for size in sizes]


def in_train_step(current, reference, jit):
    """The metrics as the recorder computes them: float32, in a traced function."""
    narrow = drift.Reference.unpacked(reference.packed(), reference.sizes)
    ids = np.repeat(np.arange(len(narrow.sizes)), narrow.sizes)

    def segment_mean(terms):
        return tf.math.unsorted_segment_sum(terms, ids, len(narrow.sizes)) / np.float32(narrow.sizes[:, None])

    @tf.function(jit_compile=jit)
    def step(mean, variance):
        return drift.by_layer(mean, variance, narrow, segment_mean, xp=keras.ops)

    mean = np.concatenate([layer.mean for layer in current])
    variance = np.concatenate([layer.variance for layer in current])
    return step(tf.constant(mean, "float32"), tf.constant(variance, "float32")).numpy()


def expected(current, reference):
    rows = [
        drift_oracle.metrics(c.mean, c.variance, r.mean, r.variance, r.epsilon)
        for c, r in zip(current, reference, strict=True)
    ]
    return np.array([[row[name] for name in drift.METRICS] for row in rows])


def test_numpy_equals_oracle(rng):
    current, reference = random_layers(rng), random_layers(rng)
    np.testing.assert_allclose(drift.between(current, reference), expected(current, reference), rtol=1e-12)


@pytest.mark.parametrize("jit", [False, True])
def test_train_step_equals_oracle(jit, rng):
    current, reference = random_layers(rng), random_layers(rng)
    result = in_train_step(current, drift.Reference.of(reference), jit)
    np.testing.assert_allclose(result, expected(current, reference), rtol=1e-5)


@pytest.mark.parametrize("jit", [False, True])
def test_small_drift_keeps_its_digits_in_float32(jit, rng):
    """KL of a small step is of second order: computed naively, float32 has no digit of it left."""
    reference = random_layers(rng)
    current = [
        Statistics(
            np.float64(np.float32(r.mean * 1.0005)), np.float64(np.float32(r.variance * 1.001)), EPSILON
        )
        for r in reference
    ]
    result = in_train_step(current, drift.Reference.of(reference), jit)
    np.testing.assert_allclose(result, expected(current, reference), rtol=5e-3)


@pytest.mark.parametrize("jit", [None, False, True])
def test_identical_statistics_give_exactly_zero(jit, rng):
    layers = random_layers(rng)
    layers.append(Statistics(np.array([1e-30, 5.0]), np.array([0.0, 1e-36]), EPSILON))
    if jit is None:
        result = drift.between(layers, layers)
    else:
        layers = [
            Statistics(np.float64(np.float32(s.mean)), np.float64(np.float32(s.variance)), EPSILON)
            for s in layers
        ]
        result = in_train_step(layers, drift.Reference.of(layers), jit)
    assert np.all(result == 0)


DEAD = {
    "died": ([1.0, 2.0], [0.0, 1e-36], [0.5, 3.0], [2.0, 1e10]),
    "came to life": ([1.0, 2.0], [2.0, 1e6], [0.5, 3.0], [0.0, 1e-36]),
    "fresh layer": ([1.0, -2.0], [2.0, 3.0], [0.0, 0.0], [1.0, 1.0]),
    "all zero": ([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]),
}


@pytest.mark.parametrize("name", DEAD)
def test_finite_on_dead_channels(name):
    mean, variance, mean_0, variance_0 = (np.array(values) for values in DEAD[name])
    current, reference = [Statistics(mean, variance, EPSILON)], [Statistics(mean_0, variance_0, EPSILON)]
    oracle = expected(current, reference)
    assert np.all(np.isfinite(oracle))
    np.testing.assert_allclose(drift.between(current, reference), oracle, rtol=1e-9)
    for jit in (False, True):
        np.testing.assert_allclose(
            in_train_step(current, drift.Reference.of(reference), jit), oracle, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("scale", [1e-3, 7.0, -1e4])
def test_invariant_to_the_scale_of_the_input(scale, rng):
    """x -> a x takes mean to a mean, variance to a^2 variance; epsilon goes with it."""
    current, reference = random_layers(rng), random_layers(rng)

    def scaled(layers):
        return [Statistics(scale * s.mean, scale**2 * s.variance, scale**2 * s.epsilon) for s in layers]

    np.testing.assert_allclose(
        drift.between(scaled(current), scaled(reference)), drift.between(current, reference), rtol=1e-9
    )


def test_only_mean_l2_depends_on_where_zero_is(rng):
    current, reference = random_layers(rng), random_layers(rng)

    def moved(layers):
        return [Statistics(s.mean + 10, s.variance, s.epsilon) for s in layers]

    before, after = drift.between(current, reference), drift.between(moved(current), moved(reference))
    changed = drift.METRICS.index("mean_l2")
    np.testing.assert_allclose(np.delete(after, changed, 1), np.delete(before, changed, 1), rtol=1e-9)
    assert np.all(after[:, changed] < before[:, changed])


def test_opposite_changes_of_variance_do_not_cancel():
    reference = Statistics(np.zeros(2), np.array([1.0, 1.0]), 0.0)
    current = Statistics(np.zeros(2), np.array([np.e, 1 / np.e]), 0.0)
    assert drift.distances(current, reference)["log_variance_ratio"] == pytest.approx(1.0)


def test_unlike_layers_are_refused():
    one, two = Statistics(np.zeros(1), np.ones(1), 0.1), Statistics(np.zeros(2), np.ones(2), 0.1)
    with pytest.raises(ValueError, match="Expected `current` to have 2 channels"):
        drift.distances(one, two)
    with pytest.raises(ValueError, match="Expected `current` to have the reference's layers"):
        drift.of_snapshots({"a": one}, {"b": one})
