"""Faults planted in two kinds of network are named before training; healthy plans are not."""

import functools
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import tfbn
from tfbn.diagnosis import Diagnosis, doctor
from tfbn.diagnosis.catalog import CHECKS
from tfbn.utils.validation import InputError


def convolutional():
    return tfbn.models.build("resnet8", width=4, input_shape=(12, 12, 1), classes=3)


def dense():
    layers = [keras.Input((6,)), keras.layers.Dense(8), keras.layers.BatchNormalization(momentum=0.9)]
    return keras.Sequential([*layers, keras.layers.ReLU(), keras.layers.Dense(3)])


NETWORKS = {"convolutional": convolutional, "dense": dense}
SEEDS = [0, pytest.param(1, marks=pytest.mark.long)]


@functools.cache
def recalibrated(name, seed):
    """The weights of a network whose statistics are those of its data, and that data."""
    keras.utils.set_random_seed(seed)
    model = NETWORKS[name]()
    rng = np.random.default_rng(seed)
    x = rng.normal(2.0, 1.5, (128, *model.input_shape[1:])).astype("float32")
    tfbn.recalibrate(model, x, verbose=False)
    return model.get_weights(), x, rng.integers(0, 3, 128)


@pytest.fixture(params=SEEDS)
def seed(request):
    return request.param


@pytest.fixture(params=NETWORKS)
def healthy(request, seed):
    """A compiled network whose statistics are those of its data, and that data."""
    weights, x, y = recalibrated(request.param, seed)
    model = NETWORKS[request.param]()
    model.set_weights(weights)
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    return model, x.copy(), y.copy()


def norms(model):
    return [named.layer for named in tfbn.traversal.batch_normalizations(model)]


def weights(model):
    return [np.array(value) for value in model.get_weights()]


def test_a_healthy_plan_has_no_finding(healthy):
    model, x, y = healthy
    before = weights(model)
    found = doctor(model, (x, y), batch_size=32, steps=200)
    assert found.names == []
    assert str(found) == "No fault found."
    assert all(np.array_equal(a, b) for a, b in zip(before, weights(model), strict=True))


def momentum(model):
    for layer in norms(model):
        layer.momentum = 0.99


def held(model):
    tfbn.convert(model, training=True, update_statistics=False)


def not_a_number(model):
    layer = norms(model)[0]
    layer.moving_mean.assign(np.where(np.arange(layer.moving_mean.shape[0]) == 1, np.nan, 0.5))


def infinite(model):
    layer = norms(model)[0]
    layer.moving_variance.assign(np.where(np.arange(layer.moving_variance.shape[0]) == 0, np.inf, 1.5))


def dead(model):
    norms(model)[-1].moving_variance.assign(np.zeros(norms(model)[-1].moving_variance.shape))


def epsilon(model):
    layer = norms(model)[0]
    layer.epsilon = 10.0
    layer.moving_variance.assign(np.full(layer.moving_variance.shape, 0.5))


def initial(model):
    layer = norms(model)[-1]
    layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
    layer.moving_variance.assign(np.ones(layer.moving_variance.shape))
    tfbn.freeze(model, training=False)


def averaged(model):
    model.compile(keras.optimizers.SGD(0.01, use_ema=True), "sparse_categorical_crossentropy")


def accumulating(model):
    model.compile(
        keras.optimizers.SGD(0.01, gradient_accumulation_steps=4), "sparse_categorical_crossentropy"
    )


PLANTED = {
    "slow-momentum": momentum,
    "statistics-held": held,
    "broken-statistics": not_a_number,
    "dead-layer": dead,
    "large-epsilon": epsilon,
    "initial-statistics": initial,
    "averaged-weights": averaged,
    "gradient-accumulation": accumulating,
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named(name, healthy):
    model, x, y = healthy
    PLANTED[name](model)
    found = doctor(model, (x, y), batch_size=32, steps=100)
    assert found.names == [name]


def test_infinite_statistics_are_named(healthy):
    model, x, y = healthy
    infinite(model)
    (finding,) = doctor(model, (x, y), batch_size=32, steps=100)
    assert finding.name == "broken-statistics"
    assert finding.measured.startswith("1 of ")


def test_a_small_last_batch(healthy):
    model, x, y = healthy
    assert doctor(model, (x[:97], y[:97]), batch_size=32, steps=100).names == ["small-last-batch"]
    assert doctor(model, (x[:112], y[:112]), batch_size=32, steps=100).names == []


def test_sorted_labels(healthy):
    model, x, y = healthy
    order = np.argsort(y)
    assert doctor(model, (x[order], y[order]), batch_size=16, steps=100).names == ["one-class-batches"]
    one_hot = np.eye(3)[y[order]]
    assert doctor(model, (x[order], one_hot), batch_size=16, steps=100).names == ["one-class-batches"]
    assert doctor(model, (x, np.eye(3)[y]), batch_size=16, steps=100).names == []


def test_batches_that_can_be_read_once_are_left_alone(healthy):
    model, x, y = healthy
    batches = iter([(x[:64], np.sort(y[:64])), (x[64:], np.sort(y[64:]))])
    assert doctor(model, batches, steps=100).names == []
    assert len(list(batches)) == 2


def test_a_regression_has_no_classes():
    model = dense()
    x = np.random.default_rng(0).normal(2, 1, (64, 6)).astype("float32")
    tfbn.recalibrate(model, x, verbose=False)
    assert doctor(model, (x, np.sort(x[:, 0])), batch_size=16, steps=100).names == []


def test_few_values():
    model = dense()
    x = np.random.default_rng(0).normal(2, 1, (64, 6)).astype("float32")
    tfbn.recalibrate(model, x, verbose=False)
    assert doctor(model, x, batch_size=4, steps=100).names == ["few-values"]
    tfbn.freeze(model, training=False, trainable=True)  # nothing normalizes by the batch any more
    assert doctor(model, x, batch_size=4, steps=100).names == []


def test_flags_at_call_sites():
    inputs = keras.Input((4,))
    held = keras.layers.BatchNormalization(name="held", momentum=0.9)(inputs, training=False)
    model = keras.Model(inputs, keras.layers.BatchNormalization(name="after", momentum=0.9)(held))
    tfbn.recalibrate(model, np.random.default_rng(0).normal(3, 2, (64, 4)).astype("float32"), verbose=False)
    (name,) = doctor(model, batch_size=32, steps=100).names
    assert name in ("overridden-call-site", "leaking-call-site")


def test_a_flag_changed_after_compile(healthy):
    model, x, y = healthy
    model.fit(x, y, batch_size=32, verbose=0)
    norms(model)[0].trainable = False
    assert "changed-after-compile" in doctor(model, (x, y), batch_size=32, steps=100).names


@pytest.mark.parametrize("steps", [100, 1000])
def test_the_momentum_that_is_proposed_arrives(steps, healthy):
    model, x, y = healthy
    for layer in norms(model):
        layer.momentum = 0.9999
    (finding,) = doctor(model, (x, y), batch_size=32, steps=steps)
    proposed = float(finding.remedy.split()[2])
    assert 0.9 <= 1 - proposed**steps < 0.96
    assert len(finding.layers) == len(norms(model))


def test_json(healthy, tmp_path):
    model, x, y = healthy
    held(model)
    found = doctor(model, (x, y), batch_size=32, steps=100)
    found.to_json(tmp_path / "findings.json")
    (stored,) = json.loads((tmp_path / "findings.json").read_text())
    assert stored["name"] == "statistics-held"
    assert stored["step"] is None
    assert stored["layers"] == list(found[0].layers)
    assert stored["link"].endswith("#statistics-held")
    assert "cause:" in str(found)
    assert isinstance(found, Diagnosis)


def test_bad_input():
    with pytest.raises(InputError, match=r"Expected `steps` to be a whole number .* Received: steps=0"):
        doctor(dense(), steps=0)
    with pytest.raises(InputError, match="BatchNormalization"):
        doctor(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))


def test_every_check_says_what_it_looks_for():
    assert all(check.__doc__ for check in CHECKS.values())
    assert len(CHECKS) == 14


def test_flags_lost_against_the_saved_model(healthy, tmp_path):
    model, x, y = healthy
    frozen = keras.models.clone_model(model)
    frozen.set_weights(model.get_weights())
    tfbn.freeze(frozen, training=False, trainable=True)
    frozen.save(tmp_path / "frozen.keras")
    (finding,) = doctor(model, (x, y), batch_size=32, steps=100, saved=tmp_path / "frozen.keras")
    assert (finding.name, len(finding.layers)) == ("lost-flags", len(norms(model)))
    again = keras.models.load_model(tmp_path / "frozen.keras")
    assert doctor(again, (x, y), batch_size=32, steps=100, saved=tmp_path / "frozen.keras").names == []
    model.save(tmp_path / "free.keras")
    assert doctor(model, (x, y), batch_size=32, steps=100, saved=tmp_path / "free.keras").names == []


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_a_saved_model_that_is_none(content, tmp_path):
    file = tmp_path / "a.keras"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"Expected `saved` to be a file that Keras saved.*a\.keras"):
        doctor(dense(), saved=file)
    with pytest.raises(InputError, match="Expected `saved` to be a file that Keras saved"):
        tfbn.Doctor(saved=file)


@pytest.mark.parametrize("synchronized", ["some", "none"])
def test_replicas_that_do_not_synchronize(synchronized, healthy):
    model, x, y = healthy
    if synchronized == "some" and len(norms(model)) == 1:
        pytest.skip("one layer cannot be mixed")
    for layer in norms(model)[:1] if synchronized == "some" else ():
        layer.synchronized = True
    replicated = type(
        "Replicated", (type(model),), {"distribute_strategy": SimpleNamespace(num_replicas_in_sync=2)}
    )
    model.__class__ = replicated
    (finding,) = doctor(model, (x, y), batch_size=30, steps=100)
    assert finding.name == "unsynchronized-replicas"
    assert len(finding.layers) == len(norms(model)) - (synchronized == "some")
    for layer in norms(model):
        layer.synchronized = True
    assert doctor(model, (x, y), batch_size=30, steps=100).names == []
