"""A block against the same arithmetic in float64 numpy."""

import keras
import numpy as np
import pytest

from tfbn.models.blocks import (
    BatchNormSettings,
    Conv,
    Wiring,
    basic,
    block,
    bottleneck,
    padded_identity,
    projection,
)

EPSILON = 0.01
SETTINGS = BatchNormSettings(momentum=0.8, epsilon=EPSILON)
SHORTCUTS = {"plain": None, "padded": padded_identity, "projection": projection}


def conv_same(x, kernel, bias, stride):
    """Convolution of "same" padding, channels last, as a sum over the kernel's places."""
    side = kernel.shape[0]
    sizes = [-(-n // stride) for n in x.shape[1:3]]
    total = [max((out - 1) * stride + side - n, 0) for out, n in zip(sizes, x.shape[1:3], strict=True)]
    x = np.pad(x, [(0, 0), *((t // 2, t - t // 2) for t in total), (0, 0)])
    y = np.zeros((len(x), *sizes, kernel.shape[-1]))
    for i in range(side):
        for j in range(side):
            rows = slice(i, i + stride * (sizes[0] - 1) + 1, stride)
            columns = slice(j, j + stride * (sizes[1] - 1) + 1, stride)
            y += x[:, rows, columns] @ kernel[i, j]
    return y + bias


def relu(x):
    return np.maximum(x, 0)


class Oracle:
    """The layers of a Keras model as functions in float64."""

    def __init__(self, model):
        self.model = model

    def conv(self, name, x, stride=1):
        weights = [np.array(w, "float64") for w in self.model.get_layer(name).get_weights()]
        return conv_same(x, weights[0], weights[1] if len(weights) > 1 else 0.0, stride)

    def bn(self, name, x):
        gamma, beta, mean, variance = (
            np.array(w, "float64") for w in self.model.get_layer(name).get_weights()
        )
        return gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta

    def padded(self, x, filters, stride):
        x = x[:, ::stride, ::stride]
        return np.concatenate([x, np.zeros((*x.shape[:3], filters - x.shape[3]))], axis=3)

    def run(self, x, order, shortcut, filters, stride):
        if order == "conv-bn-relu":
            y = self.conv("b_conv1", x, stride)
            y = self.conv("b_conv2", relu(self.bn("b_bn1", y)))
            y = self.bn("b_bn2", y)
            if shortcut == "padded":
                y = y + self.padded(x, filters, stride)
            if shortcut == "projection":
                y = y + self.bn("b_shortcut_bn", self.conv("b_shortcut_conv", x, stride))
            return relu(y)
        if order == "conv-relu-bn":
            y = self.bn("b_bn1", relu(self.conv("b_conv1", x, stride)))
            y = self.bn("b_bn2", relu(self.conv("b_conv2", y)))
            if shortcut == "padded":
                y = y + self.padded(x, filters, stride)
            if shortcut == "projection":
                y = y + self.bn("b_shortcut_bn", self.conv("b_shortcut_conv", x, stride))
            return y
        entrance = relu(self.bn("b_bn1", x))
        y = self.conv("b_conv1", entrance, stride)
        y = self.conv("b_conv2", relu(self.bn("b_bn2", y)))
        if shortcut == "padded":
            y = y + self.padded(x, filters, stride)
        if shortcut == "projection":
            y = y + self.conv("b_shortcut_conv", entrance, stride)
        return y


def model_of(convs, wiring, shortcut, shape, rng):
    """A model of one block with random weights; the statistics are away from (0, 1)."""
    inputs = keras.Input(shape)
    model = keras.Model(inputs, block(inputs, convs, wiring, "b", shortcut))
    for weight in model.weights:
        low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -1.0
        weight.assign(rng.uniform(low, 1.5, weight.shape))
    return model


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("order", ["conv-bn-relu", "conv-relu-bn", "bn-relu-conv"])
def test_block_equals_the_formula(order, shortcut, stride, rng):
    model = model_of(basic(6, stride), Wiring(order, SETTINGS), SHORTCUTS[shortcut], (7, 10, 4), rng)
    x = rng.normal(size=(3, 7, 10, 4))
    expected = Oracle(model).run(x, order, shortcut, filters=6, stride=stride)
    found = np.asarray(model(x.astype("float32")))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-5 * np.abs(expected).max()


def test_block_without_normalization_equals_the_formula(rng):
    model = model_of(basic(6, 2), Wiring(normalization=None), padded_identity, (7, 10, 4), rng)
    x = rng.normal(size=(3, 7, 10, 4))
    oracle = Oracle(model)
    y = oracle.conv("b_conv2", relu(oracle.conv("b_conv1", x, 2)))
    expected = relu(y + oracle.padded(x, 6, 2))
    assert np.abs(np.asarray(model(x.astype("float32"))) - expected).max() < 2e-5 * np.abs(expected).max()
    assert not [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.mark.parametrize("order", ["conv-bn-relu", "conv-relu-bn", "bn-relu-conv"])
@pytest.mark.parametrize("convs", [basic(4, 1), bottleneck(1, 1)], ids=["basic", "bottleneck"])
def test_zero_last_gamma_leaves_the_shortcut(order, convs, rng):
    model = model_of(convs, Wiring(order, SETTINGS, use_bias=False), projection, (5, 6, 4), rng)
    last = model.get_layer(f"b_bn{len(convs)}")
    last.gamma.assign(np.zeros(last.gamma.shape))
    last.beta.assign(np.zeros(last.beta.shape))
    x = rng.normal(size=(2, 5, 6, 4)).astype("float32")
    expected = relu(x) if order == "conv-bn-relu" else x
    assert (np.asarray(model(x)) == expected).all()
    last.gamma.assign(np.ones(last.gamma.shape))
    assert np.abs(np.asarray(model(x)) - expected).max() > 0.1


@pytest.mark.parametrize(
    ("order", "normalization", "expected"),
    [
        ("conv-bn-relu", SETTINGS, False),
        ("bn-relu-conv", SETTINGS, False),
        ("conv-relu-bn", SETTINGS, True),  # the ReLU stands between the bias and the subtraction
        ("conv-bn-relu", None, True),
        ("bn-relu-conv", None, True),
    ],
)
def test_bias_is_there_where_it_has_an_effect(order, normalization, expected):
    for use_bias in (None, True, False):
        inputs = keras.Input((4, 4, 3))
        outputs = block(inputs, basic(6, 2), Wiring(order, normalization, use_bias), "b", projection)
        convs = [layer for layer in keras.Model(inputs, outputs).layers if "conv" in layer.name]
        assert len(convs) == 3
        assert {conv.use_bias for conv in convs} == {expected if use_bias is None else use_bias}


def test_settings_reach_every_batch_normalization():
    inputs = keras.Input((4, 4, 3))
    wiring = Wiring(normalization=BatchNormSettings(momentum=0.7, epsilon=0.2, fused=False))
    model = keras.Model(inputs, block(inputs, bottleneck(2, 2), wiring, "b", projection))
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [(layer.momentum, layer.epsilon, layer.fused) for layer in found] == [(0.7, 0.2, False)] * 4


def test_kernels_have_the_variance_of_he():
    inputs = keras.Input((4, 4, 64))
    kernel = keras.Model(inputs, Wiring().convolve(inputs, Conv(128, 3), "c")).get_layer("c").kernel
    values = np.asarray(kernel)
    assert values.std() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)
    assert abs(values.mean()) < 0.001


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Wiring("conv-relu"),
            r"Expected `order` to be one of \['conv-bn-relu', .*did you mean .*Received: order='conv-relu'",
        ),
        (lambda: BatchNormSettings(momentum=1.5), r"`momentum` to be a number in \[0, 1\].*momentum=1.5"),
        (lambda: BatchNormSettings(epsilon=-1.0), r"`epsilon` to be a number in \[0, 1\].*epsilon=-1.0"),
        (lambda: BatchNormSettings(fused=1), "`fused` to be True, False or None.*fused=1"),
        (lambda: Wiring(use_bias="no"), "`use_bias` to be True, False or None.*use_bias='no'"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()
