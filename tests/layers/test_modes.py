"""Every mode against a float64 oracle, in every way of running and every kind of model."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.layers.oracle import Oracle
from tfbn.layers import BatchNormalization

CHANNELS, MOMENTUM, EPSILON, RATE = 3, 0.8, 1e-3, 0.05
FLAGS = list(itertools.product([True, False], [True, False], [True, False]))
FLAGS += [
    (None, None, True),
    (None, None, False),
    (True, None, False),
    (False, None, True),
    (None, True, False),
]
# One for each of what is normalized by, and whether statistics and parameters move.
DISTINCT = [(True, True, True), (True, False, False), (False, True, False), (False, None, True)]
DISTINCT += [(None, None, True), (None, None, False)]
OTHERS = [flags for flags in FLAGS if flags not in DISTINCT]
# XLA takes its time. What it compiles depends on these three alone, and with (None, None, True) all are true.
COMPILED = [flags for flags in DISTINCT if flags != (None, None, True)]
WAYS = ["eager", "function", "jit", "fit", "fit_two_steps_per_execution", "fit_eagerly", "fit_jit"]
FORMS = ["functional", "nested", "subclassed", "shared"]
# The flags of the quick run: all of them where a shared layer is used twice in a plain way, fused or not;
# in other cells those that differ, since no way to run and no form of model looks at flags.
QUICK = {
    ("eager", "shared", None): FLAGS,
    ("eager", "shared", False): FLAGS,
    ("function", "shared", None): DISTINCT,
    ("function", "shared", False): OTHERS,
    ("jit", "shared", None): COMPILED,
    ("fit", "shared", None): FLAGS,
    ("fit", "functional", None): DISTINCT,
    ("fit", "nested", None): DISTINCT,
    ("fit", "subclassed", None): DISTINCT,
    ("fit_two_steps_per_execution", "shared", None): DISTINCT,
    ("fit_eagerly", "shared", None): DISTINCT,
    ("fit_eagerly", "shared", False): OTHERS,
    ("fit_jit", "shared", None): COMPILED,
}


class Subclassed(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layers_by_name = {"bn": [layer]}

    def call(self, x, training=None):
        return self.layers_by_name["bn"][0](x, training=training)


def make_model(form, layer):
    if form == "subclassed":
        return Subclassed(layer)
    inputs = keras.Input((4, 5, CHANNELS))
    if form == "nested":
        inner = keras.Input((4, 5, CHANNELS))
        innermost = keras.Model(inner, layer(inner))
        middle = keras.Input((4, 5, CHANNELS))
        return keras.Model(inputs, keras.Model(middle, innermost(middle))(inputs))
    if form == "shared":
        return keras.Model(inputs, layer(inputs) + layer(keras.ops.square(inputs)))
    return keras.Model(inputs, layer(inputs))


def make_layer(training, update_statistics, trainable, **kwargs):
    rng = np.random.default_rng(1)
    layer = BatchNormalization(
        momentum=MOMENTUM,
        epsilon=EPSILON,
        training=training,
        update_statistics=update_statistics,
        trainable=trainable,
        **kwargs,
    )
    layer.build((None, 4, 5, CHANNELS))
    layer.gamma.assign(rng.uniform(0.5, 2, CHANNELS))
    layer.beta.assign(rng.normal(size=CHANNELS))
    layer.moving_mean.assign(rng.normal(3, 1, CHANNELS))
    layer.moving_variance.assign(rng.uniform(2, 5, CHANNELS))
    return layer


def make_oracle(layer):
    return Oracle(
        *(v.numpy().copy() for v in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)),
        momentum=MOMENTUM,
        epsilon=EPSILON,
    )


def batches(rng):
    """Two batches, the second one smaller, of different statistics, with the loss's weights."""
    xs = [rng.normal(1, [1, 2, 3], (6, 4, 5, CHANNELS)), rng.normal(-1, [2, 1, 0.5], (4, 4, 5, CHANNELS))]
    return [(np.float32(x), np.float32(rng.normal(size=x.shape))) for x in xs]


def weighted_sum(weights, outputs):
    """A loss whose gradient by the outputs is `weights`, whatever the batch size."""
    return keras.ops.sum(weights * outputs, axis=(1, 2, 3))


class PlainSum(keras.losses.Loss):
    def __init__(self):
        super().__init__(reduction="sum")

    def call(self, y_true, y_pred):
        return weighted_sum(y_true, y_pred)


def by_tape(model, data, wrap):
    def step(x, weights):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(weighted_sum(weights, model(x, training=True)))
        return loss, tape.gradient(loss, model.trainable_variables)

    step = wrap(step)
    losses = []
    for x, weights in data:
        loss, gradients = step(tf.constant(x), tf.constant(weights))
        losses.append(float(loss))
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            variable.assign_sub(RATE * gradient)
    return losses


def by_fit(model, data, **compile_arguments):
    model.compile(keras.optimizers.SGD(RATE), PlainSum(), **compile_arguments)
    examples = tuple(np.concatenate(part) for part in zip(*data, strict=True))
    dataset = tf.data.Dataset.from_tensor_slices(examples).batch(len(data[0][0]))
    history = model.fit(dataset, verbose=0, shuffle=False)
    return [history.history["loss"][0]]


def run(way, model, data):
    if way == "eager":
        return by_tape(model, data, lambda f: f)
    if way == "function":
        return by_tape(model, data, lambda f: tf.function(f, reduce_retracing=True))
    if way == "jit":
        return by_tape(model, data, lambda f: tf.function(f, jit_compile=True))
    arguments = {
        "fit": {"jit_compile": False},
        "fit_jit": {"jit_compile": True},
        "fit_eagerly": {"run_eagerly": True},
        "fit_two_steps_per_execution": {"steps_per_execution": 2, "jit_compile": False},
    }
    return by_fit(model, data, **arguments[way])


def expected_run(oracle, form, data, by_batch, update, trainable):
    """What the steps should give: the losses; `oracle` is left as the layer should be."""
    losses = []
    for x, weights in data:
        uses = [x, np.square(np.float64(x))] if form == "shared" else [x]
        results = [oracle.train(use, weights, by_batch, update) for use in uses]
        losses.append(sum((np.float64(weights) * output).sum() for output, _, _ in results))
        if trainable:
            oracle.gamma = oracle.gamma - RATE * sum(gamma for _, gamma, _ in results)
            oracle.beta = oracle.beta - RATE * sum(beta for _, _, beta in results)
    return losses


def flags_decide(training, update, trainable):
    """Which variables must move and which must not."""
    by_batch = trainable if training is None else training
    update = by_batch if update is None else update
    moves = {"gamma": trainable, "beta": trainable, "moving_mean": update, "moving_variance": update}
    return by_batch, update, moves


def cases():
    """Flags x ways x forms; cells that repeat another cell's path through the code are long."""
    for flags, way, form, fused in itertools.product(FLAGS, WAYS, FORMS, [None, False]):
        plain = form == "shared" and fused is None and way in ("eager", "function", "fit")
        quick = flags in QUICK.get((way, form, fused), [])
        marks = [] if quick and plain else [pytest.mark.slow] if quick else [pytest.mark.long]
        yield pytest.param(*flags, way, form, fused, marks=marks)


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize(("training", "update", "trainable", "way", "form", "fused"), list(cases()))
def test_mode_equals_oracle(training, update, trainable, way, form, fused, rng):
    layer = make_layer(training, update, trainable, fused=fused)
    model, oracle, data = make_model(form, layer), make_oracle(layer), batches(rng)
    before = {v.name: v.numpy().copy() for v in layer.variables}
    by_batch, update, moves = flags_decide(training, update, trainable)

    losses = run(way, model, data)
    expected = expected_run(oracle, form, data, by_batch, update, trainable)
    if way.startswith("fit"):  # Keras reports the mean of the batches' losses, weighted by their sizes
        expected = [np.average(expected, weights=[len(x) for x, _ in data])]

    np.testing.assert_allclose(losses, expected, rtol=2e-4, atol=2e-3)
    after = {"gamma": oracle.gamma, "beta": oracle.beta}
    after |= {"moving_mean": oracle.mean, "moving_variance": oracle.variance}
    for variable in layer.variables:
        np.testing.assert_allclose(variable.numpy(), after[variable.name], rtol=1e-4, atol=1e-4)
        same = variable.numpy() == before[variable.name]
        assert not same.any() if moves[variable.name] else same.all(), variable.name

    x = data[1][0]
    uses = [x, np.square(x)] if form == "shared" else [x]
    now = {v.name: v.numpy().copy() for v in layer.variables}
    outputs = model.predict(x, verbose=0) if way.startswith("fit") else model(x)
    np.testing.assert_allclose(outputs, sum(oracle.infer(use) for use in uses), rtol=1e-3, atol=1e-3)
    for variable in layer.variables:
        np.testing.assert_array_equal(variable.numpy(), now[variable.name])
