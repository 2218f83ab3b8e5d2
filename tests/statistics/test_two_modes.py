"""Loss and metrics in both modes, with nothing changed."""

import keras
import numpy as np
import pytest

import tfbn
from tfbn.statistics.two_modes import Performance, in_both_modes


def trained(metrics):
    keras.utils.set_random_seed(5)
    bn = tfbn.BatchNormalization(momentum=0.5, name="bn")
    model = keras.Sequential([keras.Input((3,)), bn, keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    bn.moving_mean.assign([3.0, -1.0, 0.5])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=metrics)
    return model


def loss_of(logits, labels):
    logits = np.asarray(logits, np.float64)
    of_label = logits[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - of_label))


@pytest.mark.parametrize("fitted", [False, True])
def test_both_modes_and_nothing_changes(fitted, rng):
    model = trained(["accuracy"])
    x, labels = rng.normal(1, 2, (16, 3)).astype("float32"), rng.integers(0, 2, 16)
    if fitted:
        model.fit(x, labels, batch_size=5, epochs=2, verbose=0)
    performance = Performance(model, x, labels)
    outputs = model.layers[-1](model.layers[0](x, training=True)).numpy() if not fitted else None
    outputs = model.predict(x, verbose=0) * 1.5 - 0.2 if outputs is None else outputs
    before = [np.array(v, copy=True) for v in model.variables]
    measured = performance.measure(keras.ops.convert_to_tensor(outputs))
    inference = model(x, training=False).numpy()
    for mode, logits in (("training", outputs), ("inference", inference)):
        assert measured[mode]["loss"] == pytest.approx(loss_of(logits, labels), rel=1e-5)
        accuracy = np.mean(np.asarray(logits).argmax(1) == labels)
        assert measured[mode]["accuracy"] == pytest.approx(accuracy)
    assert measured["training"]["loss"] != pytest.approx(measured["inference"]["loss"], rel=1e-3)
    # The first measurement may make the metrics' variables, as fit would.
    for old, new in zip(before, model.variables[: len(before)], strict=True):
        np.testing.assert_array_equal(old, np.array(new))
    assert performance.measure(keras.ops.convert_to_tensor(outputs)) == measured


def test_a_model_that_is_not_compiled_has_no_measures(rng):
    bn = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((3,)), bn])
    x = rng.normal(size=(4, 3)).astype("float32")
    assert Performance(model, x, x).measure(x) == {}


def test_what_fit_reports():
    logs = {"loss": 0.5, "accuracy": np.float32(0.75), "val_loss": 2, "val_confusion": np.zeros((2, 2))}
    assert in_both_modes(logs) == {"fit": {"loss": 0.5, "accuracy": 0.75}, "validation": {"loss": 2.0}}


@pytest.mark.parametrize("kind", ["text", "bytes", "array of text", "tensor of text", "none", "list"])
def test_what_a_train_step_of_ones_own_returns_beside_numbers(kind):
    values = {"text": "a", "bytes": b"a", "array of text": np.array("a"), "none": None, "list": [1.0]}
    if kind == "tensor of text":
        values[kind] = pytest.importorskip("tensorflow").constant("a")
    assert in_both_modes({"loss": np.float64(0.5), "other": values[kind]})["fit"] == {"loss": 0.5}


def test_numbers_of_every_kind_are_reported():
    logs = {str(i): each for i, each in enumerate([1, True, np.int64(1), np.array(1.0), np.bool_(True)])}
    assert in_both_modes(logs)["fit"] == dict.fromkeys(logs, 1.0)
    assert in_both_modes({"loss": keras.ops.ones((), "bfloat16")})["fit"] == {"loss": 1.0}
