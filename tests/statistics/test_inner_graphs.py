"""BatchNormalization inside loops, conditions and functions: right statistics, or a clear refusal."""

import keras
import numpy as np
import pytest

import tfbn
from tfbn.callbacks import read_drift
from tfbn.graph.traversal import batch_normalizations
from tfbn.statistics import drift, take
from tfbn.statistics.mismatch import Probe
from tfbn.statistics.recalibration import population_statistics, recalibrate

L = keras.layers
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's graphs")


@keras.saving.register_keras_serializable()
class Cell(L.Layer):
    """A recurrent cell whose normalized inputs do not depend on its state."""

    def __init__(self, units=6, **kwargs):
        super().__init__(**kwargs)
        self.state_size = self.units = units
        self.dense, self.bn = L.Dense(units), L.BatchNormalization(momentum=0.5, name="bn")

    def build(self, shape):
        self.dense.build(shape)
        self.bn.build((shape[0], self.units))
        self.built = True

    def call(self, x, states, training=None):
        h = self.bn(self.dense(x), training=training) + states[0]
        return h, [h]


class Inner(L.Layer):
    """Dense and BatchNormalization, run in an inner graph of some kind."""

    def __init__(self, how, rank=3, **kwargs):
        super().__init__(**kwargs)
        self.how, self.rank = how, rank
        self.dense, self.bn = L.Dense(6), L.BatchNormalization(momentum=0.5, name="bn")

    def build(self, shape):
        self.dense.build(shape)
        self.bn.build((None, 4, 6) if self.rank == 3 else (None, 6))
        self.built = True

    def call(self, x, training=None):
        return self.how(lambda part: self.bn(self.dense(part), training=training), x)


def condition(function, x):
    import tensorflow as tf

    return tf.cond(tf.reduce_sum(x) < 1e9, lambda: function(x), lambda: 0 * function(x))


def mapped(function, x):
    import tensorflow as tf

    return tf.map_fn(function, x, fn_output_signature=tf.TensorSpec((None, 6)))


def loop(function, x):
    import tensorflow as tf

    start = tf.zeros((tf.shape(x)[0], 4, 6))
    shapes = [tf.TensorShape([]), tf.TensorShape([None, 4, 6])]
    return tf.while_loop(lambda i, _: i < 1, lambda i, _: (i + 1, function(x)), [0, start], shapes)[1]


def autograph(function, x):
    import tensorflow as tf

    @tf.function
    def inner(x):
        if tf.reduce_sum(x) > 1e9:
            x = 0.0 * x
        return function(x)

    return inner(x)


class Decorated(Inner):
    """A call under `tf.function`, traced when the model is first used and kept."""

    def __init__(self, **kwargs):
        super().__init__(None, **kwargs)
        import tensorflow as tf

        self.__dict__["inner"] = tf.function(lambda x, training: self.bn(self.dense(x), training=training))

    def call(self, x, training=None):
        return self.__dict__["inner"](x, training)


def bidirectional():
    both = L.Bidirectional(L.RNN(Cell()))
    return both, both.forward_layer.cell


CASES = {
    "recurrent cell": lambda: (L.RNN(cell := Cell()), cell),
    "unrolled": lambda: (L.RNN(cell := Cell(), unroll=True), cell),
    "stacked cells": lambda: (L.RNN([cell := Cell(), L.SimpleRNNCell(3)]), cell),
    "bidirectional": bidirectional,
    "tf.cond": lambda: (layer := Inner(condition), layer),
    "tf.map_fn": lambda: (layer := Inner(mapped, rank=2), layer),
    "while loop": lambda: (layer := Inner(loop), layer),
    "AutoGraph": lambda: (layer := Inner(autograph), layer),
    "traced before": lambda: (layer := Decorated(), layer),
}


def cases():
    """In graphs each; run eagerly, where most come to the same, a cell, a map and a function."""
    for case in CASES:
        yield pytest.param(case, False, id=f"{case}-graph")
        quick = case in ("recurrent cell", "tf.map_fn", "AutoGraph")
        yield pytest.param(
            case, True, marks=pytest.mark.slow if quick else pytest.mark.long, id=f"{case}-run_eagerly"
        )


@pytest.mark.parametrize(("case", "eager"), list(cases()))
def test_statistics_are_those_of_every_position(rng, case, eager):
    layer, holder = CASES[case]()
    inputs = keras.Input((4, 5))
    model = keras.Model(inputs, L.Dense(1)(layer(inputs)))
    model.compile("sgd", "mse", run_eagerly=eager)
    x = rng.normal(1, 2, (16, 4, 5)).astype("float32")
    model.predict(x[:7], verbose=0), model(x[:3], training=True)
    for norm in batch_normalizations(model):
        norm.layer.moving_mean.assign(rng.normal(size=6)), norm.layer.moving_variance.assign(np.full(6, 2.0))
    before = [np.array(weight, copy=True) for weight in model.weights]
    positions = np.float64(x).reshape(-1, 5) @ np.float64(holder.dense.kernel) + np.float64(holder.dense.bias)
    path = next(named.path for named in batch_normalizations(model) if named.layer is holder.bn)

    def check(found):
        np.testing.assert_allclose(found.mean, positions.mean(0), atol=1e-5)
        np.testing.assert_allclose(found.variance, positions.var(0), rtol=1e-5)
        assert found.count == 64

    check(population_statistics(model, x, method="exact", batch_size=7)[path])
    mismatch = Probe(model, x).measure()
    assert np.isfinite(mismatch).all()
    assert (mismatch > 1e-3).all()
    assert all(np.array_equal(a, np.array(b)) for a, b in zip(before, model.weights, strict=True))
    assert "call" not in holder.bn.__dict__
    outputs = model.predict(x, verbose=0)
    check(recalibrate(model, x, batch_size=7, verbose=False).statistics[path])
    assert (model.predict(x, verbose=0) != outputs).any()
    np.testing.assert_allclose(np.array(holder.bn.moving_mean), positions.mean(0), atol=1e-5)


def test_time_distributed(rng):
    inputs = keras.Input((None, 5))
    model = keras.Model(inputs, L.TimeDistributed(L.BatchNormalization(name="bn"))(inputs))
    x = rng.normal(1, 2, (6, 4, 5)).astype("float32")
    (found,) = population_statistics(model, x, batch_size=4).values()
    np.testing.assert_allclose(found.mean, np.float64(x).mean((0, 1)), atol=1e-6)
    assert found.count == 24


@pytest.mark.parametrize("measure", [population_statistics, lambda model, x: Probe(model, x).measure()])
def test_a_vectorized_map_is_refused_by_name(rng, measure):
    import tensorflow as tf

    layer = Inner(lambda function, x: tf.vectorized_map(function, x), rank=2)
    inputs = keras.Input((4, 5))
    model = keras.Model(inputs, layer(inputs))
    with pytest.raises(
        ValueError, match=r"to run layer 'bn' where it can be observed, not in tf.vec.*='functional"
    ):
        measure(model, rng.normal(size=(6, 4, 5)).astype("float32"))
    assert "call" not in layer.bn.__dict__
    assert not tf.config.functions_run_eagerly()


def recorded(model, x, folder):
    recorder = tfbn.DriftRecorder(folder, probe=x[:5], probe_labels=np.zeros((5, 1)), heat_maps=True)
    return {"callbacks": [recorder]}


LOOKS = {
    "audit": lambda model, x, folder: tfbn.audit(model),
    "recalibrate": lambda model, x, folder: tfbn.population_statistics(model, x),
    "mismatch": lambda model, x, folder: Probe(model, x).measure(),
    "doctor": lambda model, x, folder: tfbn.doctor(model, (x, np.zeros((16, 1)))),
    "recorder": recorded,
}


def in_batches(size, x):
    """With targets of zeros, in batches of one known shape, which take less to trace."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, np.zeros((len(x), 1)))).batch(size, drop_remainder=True)


def fitted_after(look, folder):
    """The weights after two steps of a model that was looked at."""
    x = np.random.default_rng(7).normal(1, 2, (16, 4, 5)).astype("float32")
    keras.utils.set_random_seed(1)
    layer, inputs = Decorated(), keras.Input((4, 5))
    model = keras.Model(inputs, L.Dense(1)(L.Flatten()(layer(inputs))))
    model.compile("sgd", "mse")
    arguments = look(model, x, folder)
    arguments = arguments if isinstance(arguments, dict) and "callbacks" in arguments else {}
    model.fit(in_batches(8, x), shuffle=False, verbose=0, **arguments)
    assert np.abs(np.array(layer.bn.moving_mean)).min() > 0
    return [np.array(weight, copy=True) for weight in model.weights]


@pytest.fixture(scope="module")
def unseen():
    return fitted_after(lambda *_: None, None)


@pytest.mark.parametrize("look", LOOKS)
def test_looking_at_a_model_leaves_its_functions_as_they_are(look, unseen, tmp_path):
    """A `tf.function` keeps its traces: `fit` must not get one from a run that assigns nothing."""
    for plain, seen in zip(unseen, fitted_after(LOOKS[look], tmp_path / "log"), strict=True):
        np.testing.assert_array_equal(plain, seen)
    if look == "recorder":
        log = read_drift(tmp_path / "log")
        assert (log["kl"] > 0).tolist() == [False, True, True]
        assert log["mismatch"].notna().tolist() == [True, False, True]


RECORDED = {
    "run_eagerly": ("recurrent cell", {"run_eagerly": True}),
    "steps_per_execution": ("while loop", {"steps_per_execution": 2}),
} | {case: (case, {}) for case in ("bidirectional", "tf.cond", "tf.map_fn", "traced before")}


@pytest.mark.parametrize("case", RECORDED)
def test_a_recorder_with_a_probe_sees_every_step_and_changes_nothing(rng, case, tmp_path):
    kind, compiled = RECORDED[case]
    x, fitted = rng.normal(1, 2, (16, 4, 5)).astype("float32"), []
    for callbacks in ([], [tfbn.DriftRecorder(tmp_path, probe=x[:5], tensorboard=False)]):
        keras.utils.set_random_seed(1)
        layer = CASES[kind]()[0]
        inputs = keras.Input((4, 5))
        model = keras.Model(inputs, L.Dense(1)(L.Flatten()(layer(inputs))))
        model.compile("sgd", "mse", **compiled)
        before = take(model)
        model.fit(in_batches(4, x), shuffle=False, verbose=0, callbacks=callbacks)
        fitted.append([np.array(weight, copy=True) for weight in model.weights])
    for plain, seen in zip(*fitted, strict=True):
        np.testing.assert_array_equal(plain, seen)
    log = read_drift(tmp_path)
    assert log["step"].unique().tolist() == list(range(5))
    last = log[log["step"] == 4]
    expected = drift.between(take(model).values(), before.values())
    np.testing.assert_allclose(last[list(drift.METRICS)].to_numpy(), expected, rtol=1e-4, atol=1e-6)
    assert (expected[:, 0] > 0.1).all()
    assert last["mismatch"].notna().all()
