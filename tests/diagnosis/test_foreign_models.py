"""The doctor neither ends nor changes a fit that it cannot understand, and says why."""

import warnings

import keras
import numpy as np
import pytest

import tfbn
from tfbn.diagnosis import batch_checks


def stack():
    norm = keras.layers.BatchNormalization(momentum=0.5)
    return [keras.layers.Dense(5), norm, keras.layers.ReLU(), keras.layers.Dense(1)]


def functional():
    return keras.Sequential([keras.Input((4,)), *stack()])


class OwnStep(keras.Model):
    """A train step that uses neither the compiled loss nor the metrics."""

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(keras.ops.square(self(x, training=True) - y))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


class WithoutCall(keras.Model):
    """Its layers are called in the train step alone."""

    def __init__(self):
        super().__init__()
        self.network = functional()

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(keras.ops.square(self.network(x, training=True) - y))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


def own_step():
    network = functional()
    return OwnStep(network.inputs, network.outputs)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(7)
    return rng.normal(3, 2, (96, 4)).astype("float32"), rng.normal(size=(96, 1)).astype("float32")


@pytest.fixture(scope="module")
def two_domains(data):
    """In the two halves of each batch."""
    x, y = data
    return np.where((np.arange(96) % 16 < 8)[:, None], x, 0.2 * x + 9).astype("float32"), y


@pytest.fixture(scope="module")
def without(two_domains):
    """The weights of a network that is trained on two domains without a doctor."""
    return trained(functional, two_domains, None)


def trained(build, data, doctor, policy="float32", ready=False, **arguments):
    """The weights after two epochs, with or without a doctor."""
    keras.utils.set_random_seed(3)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = build()
    finally:
        keras.config.set_dtype_policy(before)
    model.compile("sgd", "mse", **arguments)
    if ready:  # otherwise the first step makes the optimizer's variables, if any, and is traced twice
        model.optimizer.build(model.trainable_variables)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        callbacks = [] if doctor is None else [doctor]
        model.fit(*data, batch_size=16, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
    return [np.array(weight) for weight in model.get_weights()]


CASES = {
    "own train step": (own_step, {}),
    "no call": (WithoutCall, {}),
    "eager": (functional, {"run_eagerly": True}),
    "xla": (functional, {"jit_compile": True}),
    "several steps": (functional, {"steps_per_execution": 3}),
    "mixed": (functional, {"policy": "mixed_float16"}),
}


@pytest.mark.parametrize("case", CASES)
def test_training_runs_to_the_same_bits(case, data):
    build, arguments = CASES[case]
    doctor = tfbn.Doctor(batch_size=16)
    without, watched = (trained(build, data, each, **arguments) for each in (None, doctor))
    assert all(np.array_equal(a, b) for a, b in zip(without, watched, strict=True))
    assert doctor.findings.names == []
    assert doctor.unexamined is None


@pytest.mark.usefixtures("without_graph_rewriting")
@pytest.mark.parametrize("case", [case for case in CASES if case != "xla"])  # see test_planted.py
def test_it_still_looks(case, two_domains):
    """A fault is found in each of them: the two halves of a batch are two domains."""
    build, arguments = CASES[case]
    doctor = tfbn.Doctor(batch_size=16)
    trained(build, two_domains, doctor, ready=True, **arguments)
    assert doctor.findings.names == ["mixed-domains"]


def test_a_check_that_fails_ends_neither_training_nor_the_other_checks(two_domains, without, monkeypatch):
    def broken(looks):
        raise RuntimeError("a fault of its own")

    monkeypatch.setattr(batch_checks, "CHECKS", (broken, *batch_checks.CHECKS))
    doctor = tfbn.Doctor(batch_size=16)
    watched = trained(functional, two_domains, doctor)
    assert all(np.array_equal(a, b) for a, b in zip(without, watched, strict=True))
    assert doctor.findings.names == ["mixed-domains"]
    assert doctor.unexamined == "RuntimeError: a fault of its own"


def test_a_measurement_that_fails_while_the_step_is_traced(two_domains, without, monkeypatch):
    monkeypatch.setattr("tfbn.callbacks.step_statistics.measured", lambda *arguments: 1 / 0)
    doctor = tfbn.Doctor(batch_size=16)
    watched = trained(functional, two_domains, doctor)
    assert all(np.array_equal(a, b) for a, b in zip(without, watched, strict=True))
    assert "ZeroDivisionError" in doctor.unexamined


def test_flags_that_changed_leave_the_step_alone_and_it_says_so(data):
    model, doctor = functional(), tfbn.Doctor(batch_size=16)
    model.compile("sgd", "mse")
    model.fit(*data, batch_size=16, verbose=0)
    model.layers[1].trainable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(*data, batch_size=16, verbose=0, callbacks=[doctor])
    assert doctor.unexamined.startswith("Flags changed since the train step was traced, so only")


def test_gradients_accumulated_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = functional()
        model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), "mse")
    finally:
        keras.config.set_dtype_policy(before)
    assert tfbn.doctor(model, batch_size=16, steps=100).names == ["gradient-accumulation"]
