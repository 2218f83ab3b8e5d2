"""A held layer folds into the convolution before it: the same step as by Keras's own arithmetic."""

import keras
import numpy as np
import pytest

import tfbn

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's graph")
L = keras.layers
SHAPE = (8, 9, 3)


def conv(**kwargs):
    return L.Conv2D(6, 3, use_bias=False, name="conv", **kwargs)


BEFORE = {
    "convolution": (lambda: conv(), True),
    "strided, same": (lambda: conv(strides=2, padding="same"), True),
    "dilated": (lambda: conv(dilation_rate=2), False),
    "depthwise": (lambda: L.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="conv"), True),
    "with a bias": (lambda: L.Conv2D(6, 3, name="conv"), False),
    "a kernel too large": (lambda: L.Conv2D(6, (8, 9), use_bias=False, name="conv"), False),
    "an activation": (lambda: L.Conv2D(6, 3, use_bias=False, activation="relu", name="conv"), False),
}  # fmt: skip


def model_of(before, rng, fused, frozen=True, branch=False, **flags):
    layer = tfbn.BatchNormalization(fused=fused, name="bn", **flags)
    inputs = keras.Input(SHAPE)
    maps = before()(inputs)
    outputs = L.ReLU()(layer(maps))
    if branch:
        outputs = L.Add()([outputs, maps])
    outputs = L.Dense(2, name="head")(L.GlobalAveragePooling2D()(outputs))
    model = keras.Model(inputs, outputs)
    layer.trainable = not frozen
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 2, weight.shape) * rng.choice([-1, 1], weight.shape))
    layer.moving_variance.assign(rng.uniform(0.5, 4, 6))
    model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=False)
    return model


def stepped(model, rng):
    """The weights after two steps, and the operations of the step's graph."""
    x = rng.normal(1, 2, (5, *SHAPE)).astype("float32")
    y = rng.normal(size=(5, 2)).astype("float32")
    before = [np.array(weight) for weight in model.weights]
    losses = [model.train_on_batch(x, y) for _ in range(2)]
    moved = [bool(np.any(np.array(w) != old)) for w, old in zip(model.weights, before, strict=True)]
    return losses, {w.path: np.array(w) for w in model.weights}, moved


def normalizations(model):
    """How many fused operations a train call of the model has."""
    import tensorflow as tf

    graph = (
        tf.function(lambda x: model(x, training=True))
        .get_concrete_function(tf.TensorSpec((None, *SHAPE)))
        .graph
    )
    return sum(node.type.startswith("FusedBatchNorm") for node in graph.get_operations())


@pytest.mark.parametrize("before", BEFORE)
def test_a_step_is_that_of_keras_arithmetic(before):
    make, folds = BEFORE[before]
    flags = {"training": False, "epsilon": 0.01}
    ours, stock = (model_of(make, np.random.default_rng(0), fused, **flags) for fused in (None, False))
    assert normalizations(ours) == (0 if folds else 1)
    (losses, weights, moved), (expected, others, also) = (
        stepped(model, np.random.default_rng(1)) for model in (ours, stock)
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert moved == also
    for path, value in weights.items():
        held = path.split("/")[-1] in ("gamma", "beta", "moving_mean", "moving_variance")
        np.testing.assert_allclose(value, others[path], rtol=1e-4, atol=1e-5, err_msg=path)
        assert moved[list(weights).index(path)] != held, path


def test_outputs_that_go_elsewhere_too_stay_as_they_are():
    ours, stock = (
        model_of(conv, np.random.default_rng(0), fused, branch=True, training=False)
        for fused in (None, False)
    )
    (losses, *_), (expected, *_) = (stepped(model, np.random.default_rng(1)) for model in (ours, stock))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "flags",
    [
        {"training": False, "frozen": False},
        {"training": False, "update_statistics": True},
        {"training": True},
    ],
)
def test_what_trains_or_updates_is_not_folded(flags):
    assert normalizations(model_of(conv, np.random.default_rng(0), None, **flags)) >= 1


def test_tensors_that_no_graph_made_are_normalized_as_ever(rng):
    import tensorflow as tf

    layer = tfbn.BatchNormalization(training=False, trainable=False)
    x = tf.constant(rng.normal(size=(2, 3, 3, 4)), "float32")
    eager = layer(x, training=True)
    np.testing.assert_allclose(tf.function(lambda: layer(x, training=True))(), eager, rtol=1e-6)
    np.testing.assert_allclose(eager, x / np.sqrt(1 + layer.epsilon), rtol=1e-5)


@pytest.mark.parametrize("fused", [None, False])
def test_the_convolutions_outputs_have_their_gradient(fused):
    """As a penalty or an attribution map asks for it, in a traced step as eagerly."""
    import tensorflow as tf

    model = model_of(conv, np.random.default_rng(0), fused, training=False)
    convolution, layer = model.get_layer("conv"), model.get_layer("bn")
    x = np.random.default_rng(1).normal(size=(2, *SHAPE)).astype("float32")

    def gradients(x):
        with tf.GradientTape() as tape:
            maps = convolution(x)
            loss = tf.reduce_sum(layer(maps, training=True) ** 2)
        return tape.gradient(loss, [maps, convolution.kernel.value, layer.gamma.value])

    for traced, eager in zip(tf.function(gradients)(x), gradients(x), strict=True):
        assert np.all(eager != 0)
        np.testing.assert_allclose(traced, eager, rtol=1e-4, atol=1e-3)


def test_the_statistics_are_read_in_every_step():
    """What is folded is no constant: a traced step follows the variables."""
    import tensorflow as tf

    model = model_of(conv, np.random.default_rng(0), None, training=False)
    step = tf.function(lambda x: model(x, training=True))
    x = np.random.default_rng(1).normal(size=(2, *SHAPE)).astype("float32")
    before = step(x).numpy()
    layer = model.get_layer("bn")
    for variable in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance):
        variable.assign(variable + 0.5)
        after = step(x).numpy()
        assert np.all(after != before)
        np.testing.assert_allclose(after, model(x, training=True), rtol=1e-4, atol=1e-5)
        before = after
