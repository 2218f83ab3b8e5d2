"""Features and logits in both modes: traced once for a model, and computed once where runs share them."""

import keras
import numpy as np
import pytest

import tfbn
from experiments.training import both_modes as judged
from experiments.training import evaluation, reuse, training
from experiments.training.both_modes import both_modes
from experiments.training.data import Split
from tfbn.transforms import retracing


def small_model(seed=0, norms=()):
    keras.utils.set_random_seed(seed)
    norms = norms or [keras.layers.BatchNormalization(name="bn")]
    layers = [keras.layers.Dense(4), *norms, keras.layers.Dense(2, name="head")]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.get_layer("bn").moving_mean.assign(np.linspace(-1, 1, 4) + seed)
    model = keras.Model(model.inputs[0], model.outputs[0])
    return training.compiled(model, keras.optimizers.SGD(0.1))


class OwnCall(keras.layers.BatchNormalization):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=False)


@pytest.fixture
def split(rng):
    train, test = (np.float32(rng.normal(2, 3, (n, 3))) for n in (20, 10))
    return Split(train, np.arange(20) % 2, test, np.arange(10) % 2, 2)


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(judged, "_features", {})


def by_hand(model, split, by_batch):
    """Batches of 8 in NumPy, float64: the features before the head, and the logits."""
    (kernel, bias), (gamma, beta, mean, variance), head = (
        [np.float64(w) for w in model.get_layer(name).get_weights()]
        for name in (model.layers[1].name, "bn", "head")
    )
    found = []
    for x in (split.train_x, split.test_x):
        parts = []
        for start in range(0, len(x), 8):
            z = x[start : start + 8] @ kernel + bias
            moments = (z.mean(0), z.var(0)) if by_batch else (mean, variance)
            parts.append(gamma * (z - moments[0]) / np.sqrt(moments[1] + 1e-3) + beta)
        features = np.concatenate(parts)
        found.append((features, features @ head[0] + head[1]))
    return found


@pytest.mark.parametrize("known", [None, "a key"])
def test_numbers_are_those_of_the_formula_also_after_weights_changed(known, split):
    model = small_model()
    for _ in range(2):
        inference, batch = both_modes(model, split, 8, known)
        for measured, in_batches in ((inference, False), (batch, True)):
            for ours, theirs in zip(measured, by_hand(model, split, in_batches), strict=True):
                np.testing.assert_allclose(ours[0], theirs[0], atol=1e-5)
                np.testing.assert_allclose(ours[1], theirs[1], atol=1e-5)
        assert np.abs(inference[0][0] - batch[0][0]).max() > 0.5
        model.get_layer("bn").moving_mean.assign(np.ones(4))
        model.get_layer("head").bias.assign([3.0, -3.0])


def test_batch_features_are_computed_once_for_a_key_and_the_same_bits_for_every_model(split, monkeypatch):
    computed, by_batch = [], judged._Traced.by_batch
    counting = lambda self, *args: computed.append(self) or by_batch(self, *args)  # noqa: E731
    monkeypatch.setattr(judged._Traced, "by_batch", counting)
    one, other = small_model(), small_model()
    first = both_modes(one, split, 8, "key")[1]
    again = both_modes(other, split, 8, "key")[1]
    assert len(computed) == 1
    monkeypatch.setattr(judged, "_features", {})
    alone = both_modes(other, split, 8, "key")[1]
    for measured in (again, alone):
        for a, b in zip(np.ravel(first[0][1]), np.ravel(measured[0][1]), strict=True):
            assert a == b
    both_modes(other, split, 4, "key"), both_modes(other, split, 8, "other key"), both_modes(other, split, 8)
    assert len(computed) == 5


def test_a_layer_with_its_own_call_keeps_no_features(split):
    model = small_model(norms=[keras.layers.BatchNormalization(), OwnCall(name="bn")])
    before = both_modes(model, split, 8, "key")[1][0][0]
    model.get_layer("bn").moving_mean.assign(np.ones(4) * 9)
    assert np.abs(both_modes(model, split, 8, "key")[1][0][0] - before).max() > 1
    assert not judged._features


def test_what_predict_traced_is_used_again_and_flags_still_take_effect(split):
    model = small_model()
    both_modes(model, split, 8)
    traced = judged._traced[model]
    functions = traced.inference.predict_function, traced._function
    both_modes(model, split, 8)
    assert (traced.inference.predict_function, traced._function) == functions
    tfbn.convert(model)
    model.get_layer("bn").batch_statistics_in_inference = True
    retracing.take_effect(model)
    inference, batch = both_modes(model, split, 8)
    np.testing.assert_allclose(inference[0][0], batch[0][0], atol=1e-5)


def test_features_beyond_the_limit_drop_the_oldest(split, monkeypatch):
    model = small_model()
    monkeypatch.setattr(judged, "LIMIT", 1000)  # 480 bytes each
    for key in "abc":
        both_modes(model, split, 8, key)
    assert [key for key, _ in judged._features] == ["b", "c"]


def test_a_known_start_is_not_built_again(monkeypatch):
    monkeypatch.setattr(reuse, "_kept", {})
    monkeypatch.setattr(reuse, "_states", {})
    built = []

    def build(seed):
        built.append(seed)
        return small_model(seed)

    first = reuse.model_for("one", lambda: build(0), start=0)
    other = reuse.model_for("other", lambda: build(0), start=0)
    reuse.model_for("one", lambda: build(1), start=1)
    assert first.get_layer("bn").moving_mean.numpy()[0] == 0
    assert reuse.model_for("one", lambda: build(0), start=0) is first
    assert reuse.model_for("other", lambda: build(1), start=1) is other
    assert built == [0, 0, 1]
    for ours, seed in ((first, 0), (other, 1)):
        for weight, new in zip(ours.weights, small_model(seed).weights, strict=True):
            np.testing.assert_array_equal(weight, new)
    monkeypatch.setattr(reuse, "LIMIT", 0)
    reuse.model_for("one", lambda: build(2), start=2)
    reuse.model_for("one", lambda: build(2), start=2)
    assert built == [0, 0, 1, 2, 2]


def test_a_converged_head_is_fitted_once_for_the_same_features(rng, monkeypatch):
    monkeypatch.setattr(evaluation, "_converged", {})
    monkeypatch.setattr(evaluation, "FITS", 2)
    fitted, fit = [], evaluation._fitted
    monkeypatch.setattr(evaluation, "_fitted", lambda *data: fitted.append(data) or fit(*data))
    x, y = rng.normal(2, 3, (30, 2)).astype("float32"), np.arange(30) % 2
    head = evaluation.converged(x, y)
    assert evaluation.converged(x.copy(), y.copy()) is head
    others = [(x + np.float32(1e-6), y), (x, 1 - y)]
    assert len({id(evaluation.converged(*data)) for data in others}) == len(fitted) - 1 == 2
    assert evaluation.converged(x, y) is not head  # the oldest of more than two was dropped
    np.testing.assert_array_equal(evaluation.converged(x, y).predict(x), fit(x, y).predict(x))
