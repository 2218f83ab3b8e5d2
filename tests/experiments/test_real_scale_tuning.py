"""The arms of the study whose network trains, against `fit` with flags and momentum set by hand."""

import dataclasses

import keras
import numpy as np
import pytest

import tfbn
from experiments.real_scale import arms, draws, frozen, heads, targets, tuning
from experiments.training.extractor import row_of
from tests.experiments import blobs
from tfbn.graph.traversal import batch_normalizations

TINY = blobs.condition(steps=9)


@pytest.fixture(scope="module")
def digits():
    return blobs.images()


@pytest.fixture
def drawn(digits):
    found = draws.draw(TINY, len(digits.images), seed=0)
    return {
        name: (targets.images_of(TINY, digits, indices, 1_000_003 * i), digits.labels[indices])
        for i, (name, indices) in enumerate(dataclasses.asdict(found).items())
    }


def _training(drawn, family, rate=5e-4):
    return tuning._Training(TINY, 0, arms.TUNED[family], rate, *drawn["train"], 3)


def _by_hand(drawn, training, momentum, rate=5e-4):
    """The same training with `fit`, the layers' own momentum and flags set one by one.

    Run eagerly: a few steps take less time than tracing one.
    """
    base = tfbn.convert(targets.network(TINY, 0), fused=None)
    for site in batch_normalizations(base):
        site.layer.training, site.layer.momentum = training, momentum
    head, dense = heads.first(base.output_shape[1], 3, 0), keras.layers.Dense(3)
    model = keras.Model(base.input, dense(base.output))
    dense.set_weights([head.kernel, head.bias])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, run_eagerly=True)
    taken = draws.batches(TINY.train, TINY.batch, frozen.ORDERS, 0)
    order = np.concatenate([taken[step % len(taken)] for step in range(TINY.steps)])
    x, y = drawn["train"]
    model.fit(x[order], y[order], batch_size=TINY.batch, shuffle=False, verbose=0)
    return model


def _weights(model):
    return [v.numpy() for v in model.trainable_variables]


@pytest.mark.parametrize("momentum", [0.9, pytest.param(0.99, marks=pytest.mark.long)])
def test_one_training_by_the_batch_serves_every_momentum(momentum, drawn):
    ours = _training(drawn, "tuned_batch")
    row = ours.fit()[f"tuned_batch_{momentum:g}"]
    theirs = _by_hand(drawn, True, momentum)
    for mine, other in zip(_weights(ours.model), _weights(theirs), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=2e-4)
    layers = [site.layer for site in batch_normalizations(theirs)]
    np.testing.assert_allclose(row, row_of(layers), rtol=1e-3, atol=1e-4)
    x, y = drawn["test"]
    expected = (theirs.predict(x, verbose=0).argmax(-1) == y).mean()
    assert abs(ours.accuracy(row, x, y) - expected) <= 1 / len(y)  # one image may lie on the edge


def test_held_statistics_stay_and_everything_else_trains(drawn):
    ours = _training(drawn, "tuned_held")
    before = _weights(ours.model)
    ((name, row),) = ours.fit().items()
    assert name == "tuned_held"
    np.testing.assert_array_equal(row, ours.source)
    assert all(np.any(a != b) for a, b in zip(before, _weights(ours.model), strict=True))
    theirs = _by_hand(drawn, False, 0.9)
    for mine, other in zip(_weights(ours.model), _weights(theirs), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("family", ["affine_held", "affine_batch"])
def test_gamma_beta_and_the_head_train_and_no_kernel_does(family, drawn):
    ours = _training(drawn, family)
    before = {v.path: v.numpy() for v in ours.model.weights}
    found = ours.fit()
    moved = {v.path for v in ours.model.weights if np.any(v.numpy() != before[v.path])}
    norms = {v.path for norm in ours.norms for v in (norm.gamma, norm.beta)}
    head = {v.path for v in ours.model.layers[-1].weights}
    statistics_moved = {v.path for norm in ours.norms for v in (norm.moving_mean, norm.moving_variance)}
    assert moved == norms | head | (statistics_moved if family == "affine_batch" else set())
    assert list(found) == list(arms.tuned_settings(arms.TUNED[family]))


def test_the_last_third_holds_the_statistics(drawn):
    ours = _training(drawn, "tuned_late")
    seen, fit = [], ours._fit
    ours._fit = lambda *args: (fit(*args), seen.append((row_of(ours.norms), _weights(ours.model))))
    ((name, row),) = ours.fit().items()
    assert name == "tuned_late"
    (first, weights), (second, trained) = seen
    assert np.abs(first - ours.source).max() > 0.01
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(row, second)
    assert all(np.any(a != b) for a, b in zip(weights, trained, strict=True))


def test_a_probe_trains_the_head_first(drawn):
    probed = _training(drawn, "probed_then_tuned")
    base = targets.network(TINY, 0)
    x, y = drawn["train"]
    features = base.predict(x, verbose=0)
    taken = draws.batches(TINY.train, TINY.batch, frozen.ORDERS, 0)
    untrained = heads.first(features.shape[1], 3, 0)
    head = heads.short(untrained, [features[i] for i in taken], [y[i] for i in taken], 1e-3, TINY.steps)
    kernel, bias = probed.model.layers[-1].get_weights()
    np.testing.assert_allclose(kernel, head.kernel, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(bias, head.bias, rtol=1e-3, atol=1e-5)
    assert np.abs(kernel - untrained.kernel).max() > 1e-3
    for mine, other in zip(probed.base.weights, base.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())


class Scripted:
    """A training whose accuracies are known: the larger rate is better on validation, the smaller on test."""

    fit_accuracy = 1.0

    def __init__(self, condition, seed, family, rate, *data):
        self.rate = rate

    def fit(self):
        return {"better": self.rate, "equal": None}

    def accuracy(self, row, x, y):
        if row is None:
            return 0.5
        return 0.3 + 100 * row if len(y) == TINY.validation else 0.9 - 100 * row


def test_the_rate_is_chosen_on_validation_images(digits, monkeypatch):
    monkeypatch.setattr(tuning, "_Training", Scripted)
    better, equal = tuning.run(TINY, 1, digits, "tuned_batch")
    small, large = arms.TUNING_RATES
    assert (better["learning_rate"], better["validation_accuracy"]) == (large, 0.3 + 100 * large)
    assert better["test_accuracy"] == 0.9 - 100 * large
    assert equal["learning_rate"] == small
    assert better["test_images"] == TINY.test
    assert np.isnan(better["refitted_accuracy"])


def test_arms_have_names_of_their_own():
    names = [name for family in arms.TUNED.values() for name in arms.tuned_settings(family)]
    names += [*arms.FROZEN, *arms.UPDATING_MOMENTA]
    assert sorted(names) == sorted(arms.SETTINGS)
