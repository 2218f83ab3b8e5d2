"""A discriminator that trains in one step and is used, and held, in another: the recipe of docs/freeze.md."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import tfbn
from tfbn.callbacks import read_drift
from tfbn.graph.call_hooks import observed

L = keras.layers
PAGE = Path(__file__).parents[2] / "docs" / "freeze.md"
MOMENTUM = 0.9
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a train step for TensorFlow")


def recipe():
    """The class of the page."""
    (block,) = (
        b for b in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "class Gan" in b
    )
    import tensorflow as tf

    names = {"keras": keras, "tf": tf}
    exec(block.split("generator = keras")[0], names)
    return names["Gan"]


def part(name, units, out):
    norm = L.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")
    layers = [L.Dense(6, name=f"{name}_dense"), norm, L.ReLU(), L.Dense(out, name=f"{name}_out")]
    return keras.Sequential([keras.Input((units,)), *layers], name=name)


def gan(rate=0.01, generator_rate=0.01):
    keras.utils.set_random_seed(2)
    model = recipe()(part("makes", 3, 4), part("judges", 4, 1))
    model.compile(keras.optimizers.SGD(rate), generator_optimizer=keras.optimizers.SGD(generator_rate))
    return model


def moved(model, x, **arguments):
    before = {v.path: np.array(v, copy=True) for v in model.weights}
    model.fit(x, verbose=0, shuffle=False, **arguments)
    return {"/".join(v.path.split("/")[-2:]) for v in model.weights if np.any(np.array(v) != before[v.path])}


def variables(name):
    layers = (f"{name}_dense", f"{name}_out")
    affine = {f"{layer}/{kind}" for layer in layers for kind in ("kernel", "bias")}
    return affine | {f"{name}_bn/gamma", f"{name}_bn/beta"}


STATISTICS = {f"{name}_bn/moving_{kind}" for name in ("makes", "judges") for kind in ("mean", "variance")}


@pytest.fixture
def x(rng):
    return rng.normal(5, 2, (32, 4)).astype("float32")


@pytest.mark.parametrize(
    ("rates", "trained"), [((0.01, 0.0), "judges"), ((0.0, 0.01), "makes"), ((0.01, 0.01), "both")]
)
def test_each_half_of_the_step_trains_its_own(rates, trained, x):
    wanted = STATISTICS | {
        v for name in ("makes", "judges") if trained in (name, "both") for v in variables(name)
    }
    # The bias before BatchNormalization has no gradient but rounding.
    found = moved(gan(*rates), x, batch_size=16)
    biases = {"makes_dense/bias", "judges_dense/bias"}
    assert found - biases == wanted - biases
    assert found <= wanted


def test_statistics_move_once_a_step_and_by_real_and_made_examples(x):
    model = gan(0.0, 0.0)
    dense, norm = model.discriminator.layers[:2]
    seen = []
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    model.run_eagerly = True
    with observed([dense], lambda layer, inputs, training, mask: seen.append(np.array(inputs))):
        model.fit(x, batch_size=32, verbose=0, shuffle=False)
    assert [len(each) for each in seen] == [64, 32]
    both = np.float64(seen[0]) @ np.float64(dense.kernel) + np.float64(dense.bias)
    np.testing.assert_array_equal(seen[0][:32], x)
    np.testing.assert_allclose(norm.moving_mean, (1 - MOMENTUM) * both.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, MOMENTUM + (1 - MOMENTUM) * both.var(0), rtol=1e-4)


def test_a_recorder_sees_every_step(x, tmp_path):
    model = gan()
    model.fit(
        x, batch_size=8, epochs=2, verbose=0, callbacks=[tfbn.DriftRecorder(tmp_path, tensorboard=False)]
    )
    log = read_drift(tmp_path)
    assert log["step"].unique().tolist() == list(range(9))
    assert (log[log["step"] > 0]["kl"] > 0).all()


def test_frozen_and_unfrozen_in_turn_two_compiled_models_do_the_same_halves(x):
    """The other way of the page: no half moves what is the other's."""
    judges, makes = part("judges", 4, 1), part("makes", 3, 4)
    both = keras.Sequential([keras.Input((3,)), makes, judges])
    judges.compile("sgd", "mse"), both.compile("sgd", "mse")
    y, noise = np.ones((32, 1)), x[:, :3]
    for _ in range(2):
        with pytest.warns(UserWarning, match="judges: compiled on its own"):
            tfbn.freeze(both, "judges")
        assert {v.split("_")[0] for v in moved(both, noise, y=y)} == {"makes"}
        tfbn.unfreeze(both, "judges")
        assert {v.split("_")[0] for v in moved(judges, x, y=y)} == {"judges"}


def test_audit_says_what_is_frozen_in_two_compiled_models(x):
    judges, makes = part("judges", 4, 1), part("makes", 3, 4)
    both = keras.Sequential([keras.Input((3,)), makes, judges], name="both")

    def said(model):
        return [str(w).split(",")[0] for w in tfbn.audit(model).warnings if "not to a model" in w]

    judges.trainable = False
    assert said(both) == said(judges) == []  # neither is compiled
    judges.compile("adam", "mse")
    assert said(judges) == []
    both.compile("adam", "mse")
    assert said(both) == ["judges: compiled on its own"]
    assert said(judges) == ["judges: part of the compiled both"]
    assert said(makes) == []  # trains
    judges.trainable = True
    assert said(both) == said(judges) == []
