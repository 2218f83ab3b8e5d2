"""Each fault that only training shows is named within 50 steps; healthy training is not."""

import warnings

import keras
import numpy as np
import pytest

import tfbn
from tests.diagnosis import planted
from tests.diagnosis.planted import NETWORKS, PLANTED, STEPS

# What else is said, and rightly: the planted fault brings it about.
ALONG = {
    "toggled": {"changed-after-compile"},
    "first_class_only": {"slow-momentum"},
    "growing": {"slow-momentum"},
}


def examined(network, seed, plant):
    keras.utils.set_random_seed(seed)
    model, doctor = NETWORKS[network](), tfbn.Doctor()
    x, y = planted.data(model.input_shape[1:], seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plant(model, x, y, doctor)
    assert doctor.unexamined is None
    return doctor.findings


def check(network, seed, plant):
    findings = examined(network, seed, plant)
    name = PLANTED[plant]
    found = [finding for finding in findings if finding.name == name]
    assert found, findings.names
    assert found[0].step is None or found[0].step <= STEPS
    assert set(findings.names) <= {name} | ALONG.get(plant.__name__, set())


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_named(plant):
    check("dense", 0, plant)


@pytest.mark.long
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
@pytest.mark.parametrize(("network", "seed"), [("dense", 1), ("convolutional", 0), ("convolutional", 1)])
def test_a_planted_fault_is_named_in_each_network(network, seed, plant):
    check(network, seed, plant)


@pytest.mark.parametrize("network", NETWORKS)
def test_healthy_training_has_no_finding(network):
    def healthy(model, x, y, doctor):
        planted.train(planted.compiled(model), x, y, doctor, validation_data=(x[:64], y[:64]))

    assert examined(network, 0, healthy).names == []


def test_compiled_by_xla_and_several_steps_an_execution():
    def healthy(model, x, y, doctor):
        model.compile("sgd", planted.LOSS, jit_compile=True, steps_per_execution=5)
        planted.train(model, x, y, doctor)

    def alternating(model, x, y, doctor):
        odd = (np.arange(len(x)) // planted.BATCH % 2 == 1)[:, None]
        healthy(model, np.where(odd, planted.other_domain(x), x), y, doctor)

    assert examined("dense", 0, alternating).names == ["alternating-domains"]


def test_the_model_is_as_it_was(rng):
    model = planted.compiled(NETWORKS["dense"]())
    x, y = planted.data((6,), 0, 64)
    before = set(vars(model))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        planted.train(model, x, y, tfbn.Doctor(), validation_data=(x, y))
    left = {"train_step", "test_step", "fit", "call"} & set(vars(model))
    assert left <= before
    assert "call" not in vars(model.layers[1])


def test_a_custom_loop_without_parameters():
    model, doctor = planted.compiled(NETWORKS["dense"]()), tfbn.Doctor()
    x, y = planted.data((6,), 0)
    callbacks = keras.callbacks.CallbackList([doctor], model=model)
    callbacks.on_train_begin()
    second = (np.arange(planted.BATCH) >= planted.BATCH // 2)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step, start in enumerate(range(0, 20 * planted.BATCH, planted.BATCH)):
            rows = slice(start, start + planted.BATCH)
            model.train_on_batch(np.where(second, planted.other_domain(x[rows]), x[rows]), y[rows])
            callbacks.on_train_batch_end(step)
        callbacks.on_train_end()
    assert doctor.unexamined is None
    assert doctor.findings.names == ["mixed-domains"]


def test_findings_are_written_for_tensorboard(tmp_path):
    model, doctor = NETWORKS["dense"](), tfbn.Doctor(log_dir=tmp_path)
    x, y = planted.data((6,), 0)
    with pytest.warns(UserWarning, match="mixed-domains at step"):
        planted.two_halves(model, x, y, doctor)
    assert len(list(tmp_path.glob("*.tfbn_findings"))) == 1
