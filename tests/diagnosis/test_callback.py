"""The callback reports faults at the step where they show, once, and leaves training as it is."""

import warnings

import keras
import numpy as np
import pytest

import tfbn
from tfbn.callbacks import Doctor
from tfbn.diagnosis import FaultError
from tfbn.utils.validation import InputError


def network(momentum=0.5):
    layers = [keras.Input((4,)), keras.layers.Dense(5, name="first")]
    layers += [keras.layers.BatchNormalization(name="norm", momentum=momentum), keras.layers.Dense(1)]
    return keras.Sequential(layers)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(3, 2, (64, 4)).astype("float32"), rng.normal(size=(64, 1))


def fit(model, data, doctor, **arguments):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*data, batch_size=16, verbose=0, callbacks=[doctor], **arguments)
    return [str(each.message) for each in caught if "remedy" in str(each.message)]


def changed_after_compile(model, data):
    """The train step is traced, then a flag says otherwise."""
    model.compile("sgd", "mse")
    model.fit(*data, batch_size=16, verbose=0)
    model.get_layer("norm").trainable = False


def test_healthy_training_has_no_finding_and_is_not_changed(data):
    results = []
    for callbacks in ([], [Doctor(batch_size=16)]):
        keras.utils.set_random_seed(3)
        model = network()
        model.compile("adam", "mse")
        model.fit(*data, batch_size=16, epochs=3, verbose=0, callbacks=callbacks)
        results.append([np.array(weight) for weight in model.get_weights()])
    assert callbacks[0].findings.names == []
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_a_layer_that_moves_though_held(data):
    model, doctor = network(), Doctor()
    changed_after_compile(model, data)
    said = fit(model, data, doctor)
    assert doctor.findings.names == ["changed-after-compile", "held-statistics-moved"]
    moved = doctor.findings[-1]
    assert (moved.step, moved.layers) == (1, ("norm",))
    assert doctor.findings[0].step is None
    assert len(said) == 2  # each fault once, though it shows at every look


def test_statistics_that_break_in_the_middle(data):
    model, doctor = network(), Doctor()
    model.compile("sgd", "mse")
    x = np.repeat(data[0], 4, axis=0)
    x[40 * 4] = np.inf
    fit(model, (x, np.zeros((256, 1))), doctor, shuffle=False)
    (finding,) = doctor.findings
    assert finding.name == "broken-statistics"
    assert 11 <= finding.step <= 20


@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_stop(steps_per_execution, data):
    model, doctor = network(momentum=0.999), Doctor(on_finding="stop")
    model.compile("sgd", "mse", steps_per_execution=steps_per_execution)
    fit(model, data, doctor, epochs=5)
    assert doctor.findings.names == ["slow-momentum"]
    assert model.optimizer.iterations < 20


def test_raise_leaves_the_weights_as_they_were(data):
    model = network(momentum=0.999)
    model.compile("sgd", "mse")
    before = [np.array(weight) for weight in model.get_weights()]
    with pytest.raises(FaultError, match="slow-momentum"):
        model.fit(*data, verbose=0, callbacks=[Doctor(on_finding="raise")])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_second_fit_starts_over(data):
    model, doctor = network(momentum=0.999), Doctor()
    model.compile("sgd", "mse")
    assert len(fit(model, data, doctor)) == 1
    tfbn.traversal.batch_normalizations(model)[0].layer.momentum = 0.1
    assert fit(model, data, doctor) == []
    assert doctor.findings.names == []


def test_a_model_without_batch_normalization_trains_on(data):
    model, doctor = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]), Doctor(on_finding="raise")
    model.compile("sgd", "mse")
    model.fit(*data, verbose=0, callbacks=[doctor])
    assert doctor.findings.names == []
    assert "BatchNormalization" in doctor.unexamined


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"batch_size": 0},
            "Expected `batch_size` to be .* at least 1. Received: batch_size=0",
        ),
        ({"every": 0}, "Expected `every` .* Received: every=0"),
        ({"on_finding": "stopp"}, "did you mean stop.*Received: on_finding='stopp'"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        Doctor(**arguments)
