"""Each fault that only training shows is named within 50 steps; healthy training is not."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfbn
from benchmarks.diagnosis import faults, networks, while_training
from benchmarks.diagnosis.catalog import FAULTS
from benchmarks.diagnosis.networks import NETWORKS, STEPS
from tests.replicas import mirrored

WAYS = {way.__name__: (fault, way) for fault in FAULTS for way in fault.ways}


def examined(network, seed, way):
    doctor = faults.examine(way, network, seed)
    assert doctor.unexamined is None
    return doctor.findings


def check(network, seed, name, monkeypatch):
    strategy = mirrored()
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda *devices: strategy)
    fault, way = WAYS[name]
    result = faults.judged(fault, way, faults.examine(way, network, seed))
    assert result["found"], result
    assert (result["step"] or 0) <= STEPS
    assert result["wrong"] == []
    assert "Error" not in (result["unexamined"] or "")


@pytest.mark.usefixtures("without_graph_rewriting")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if way is fault.ways[0] else pytest.mark.long)
        for name, (fault, way) in WAYS.items()
    ],
)
def test_a_planted_fault_is_named(name, monkeypatch):
    check("dense", 0, name, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(("network", "seed"), [("dense", 1), ("convolutional", 0), ("convolutional", 1)])
def test_a_planted_fault_is_named_in_each_network(network, seed, name, monkeypatch):
    check(network, seed, name, monkeypatch)


def test_the_catalog_has_24_faults_each_with_a_heading():
    assert len(FAULTS) == len({fault.title for fault in FAULTS}) == 24


@pytest.mark.parametrize("network", NETWORKS)
def test_healthy_training_has_no_finding_and_leaves_the_model_as_it_was(network):
    def healthy(model, x, y, doctor):
        before = set(vars(networks.compiled(model)))
        networks.train(model, x, y, doctor, validation_data=(x[:64], y[:64]))
        left = {"train_step", "test_step", "fit", "call"} & set(vars(model))
        assert left <= before
        assert not any("call" in vars(named.layer) for named in tfbn.traversal.batch_normalizations(model))

    assert examined(network, 0, healthy).names == []


def test_compiled_by_xla_and_several_steps_an_execution():
    def healthy(model, x, y, doctor):
        model.compile("sgd", networks.LOSS, jit_compile=True, steps_per_execution=5)
        networks.train(model, x, y, doctor)

    def alternating(model, x, y, doctor):
        odd = (np.arange(len(x)) // networks.BATCH % 2 == 1)[:, None]
        healthy(model, np.where(odd, while_training.other_domain(x), x), y, doctor)

    assert examined("dense", 0, alternating).names == ["alternating-domains"]


@pytest.mark.usefixtures("without_graph_rewriting")
def test_a_custom_loop_without_parameters():
    model, doctor = networks.compiled(NETWORKS["dense"]()), tfbn.Doctor()
    x, y = networks.data((6,), 0)
    callbacks = keras.callbacks.CallbackList([doctor], model=model)
    callbacks.on_train_begin()
    second = (np.arange(networks.BATCH) >= networks.BATCH // 2)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step, start in enumerate(range(0, 20 * networks.BATCH, networks.BATCH)):
            rows = slice(start, start + networks.BATCH)
            model.train_on_batch(np.where(second, while_training.other_domain(x[rows]), x[rows]), y[rows])
            callbacks.on_train_batch_end(step)
        callbacks.on_train_end()
    assert doctor.unexamined is None
    assert doctor.findings.names == ["mixed-domains"]


@pytest.mark.usefixtures("without_graph_rewriting")
def test_findings_are_written_for_tensorboard(tmp_path):
    model, doctor = NETWORKS["dense"](), tfbn.Doctor(log_dir=tmp_path)
    x, y = networks.data((6,), 0)
    with pytest.warns(UserWarning, match="mixed-domains at step"):
        while_training.two_halves(model, x, y, doctor)
    assert len(list(tmp_path.glob("*.tfbn_findings"))) == 1
