"""Folded models against float64 arithmetic and against the model itself; what stays, and why."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfbn
from tests.without_tfbn import without_tfbn
from tfbn.transforms.folding import fold, plan

STOCK, OURS = keras.layers.BatchNormalization, tfbn.layers.BatchNormalization
layers = keras.layers


def scramble(model, rng):
    """BN weights and statistics away from their start and different by channel, and biases too."""
    for layer in model._flatten_layers():
        if isinstance(layer, STOCK):
            for variable in layer.weights:
                positive = "variance" in variable.path or "gamma" in variable.path
                variable.assign(rng.uniform(0.5 if positive else -0.5, 1.5, variable.shape))
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(size=layer.bias.shape))
    return model


def normalized(x, bn):
    """The formula in float64."""
    x = np.array(x, "float64")
    shape = [-1 if axis == bn.axis % x.ndim else 1 for axis in range(x.ndim)]

    def weight(variable):
        return np.array(variable, "float64").reshape(shape)

    y = (x - weight(bn.moving_mean)) / np.sqrt(weight(bn.moving_variance) + bn.epsilon)
    return y * (weight(bn.gamma) if bn.scale else 1) + (weight(bn.beta) if bn.center else 0)


def assert_close(actual, expected, relative=1e-5):
    expected = np.array(expected, "float64")
    np.testing.assert_allclose(np.array(actual, "float64"), expected, atol=relative * np.abs(expected).max())


def batch_norms(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, STOCK)]


def state(model):
    return [np.array(variable, copy=True) for variable in model.variables]


def reasons(model):
    return {row.path: row.into or row.reason for row in plan(model)}


LINEAR = {
    "dense": ((5,), lambda **k: layers.Dense(4, **k)),
    "dense over time": ((6, 5), lambda **k: layers.Dense(4, **k)),
    "conv 1d, dilated": ((9, 2), lambda **k: layers.Conv1D(3, 2, dilation_rate=2, padding="causal", **k)),
    "conv 2d, strided": ((6, 7, 2), lambda **k: layers.Conv2D(3, 3, strides=2, padding="same", **k)),
    "conv 2d, groups": ((6, 7, 4), lambda **k: layers.Conv2D(6, 3, groups=2, **k)),
    "conv 3d": ((4, 5, 6, 2), lambda **k: layers.Conv3D(3, 2, **k)),
    "conv 2d, one channel": ((6, 7, 1), lambda **k: layers.Conv2D(1, 3, **k)),
    "transposed 1d": ((5, 2), lambda **k: layers.Conv1DTranspose(3, 3, strides=2, **k)),
    "transposed 2d": ((4, 5, 2), lambda **k: layers.Conv2DTranspose(3, 3, strides=2, padding="same", **k)),
    "transposed 3d": ((3, 4, 3, 2), lambda **k: layers.Conv3DTranspose(3, 2, **k)),
    "depthwise 1d": ((9, 3), lambda **k: layers.DepthwiseConv1D(2, depth_multiplier=2, **k)),
    "depthwise 2d": ((6, 7, 3), lambda **k: layers.DepthwiseConv2D(3, depth_multiplier=2, **k)),
    "separable 1d": ((9, 2), lambda **k: layers.SeparableConv1D(3, 3, depth_multiplier=2, **k)),
    "separable 2d": ((6, 7, 2), lambda **k: layers.SeparableConv2D(3, 3, **k)),
}


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("kind", LINEAR)
def test_every_linear_layer_takes_the_normalization_in(rng, kind, use_bias):
    shape, make = LINEAR[kind]
    before = make(use_bias=use_bias, name="before")
    bn = (OURS if use_bias else STOCK)(name="bn", scale=use_bias or "3d" in kind, center="1d" not in kind)
    model = scramble(keras.Sequential([keras.Input(shape), before, bn], name="net"), rng)
    x = rng.normal(size=(3, *shape)).astype("float32")
    expected, old = normalized(before(x), bn), state(model)
    folded = fold(model, verbose=False)
    assert [layer.name for layer in folded.layers] == ["before"]
    assert folded.name == "net"
    assert_close(folded(x), expected)
    assert_close(folded.predict(x, verbose=0), expected)
    assert all(np.array_equal(a, b) for a, b in zip(old, state(model), strict=True))
    assert before.use_bias is use_bias
    assert_close(model(x), expected)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_channels_first(rng, dimensions):
    conv = getattr(layers, f"Conv{dimensions}D")(3, 2, data_format="channels_first", name="conv")
    bn, wrong = OURS(axis=1, name="bn"), STOCK(axis=-1, name="wrong")
    inputs = keras.Input((2, *[5] * dimensions))
    x = rng.normal(size=(3, 2, *[5] * dimensions)).astype("float32")
    model = scramble(keras.Model(inputs, bn(conv(inputs))), rng)
    folded = fold(model, verbose=False)
    assert [type(layer) for layer in folded.layers[2:]] == [layers.Identity]  # the output's name
    assert not batch_norms(folded)
    assert_close(folded(x), normalized(conv(x), bn))
    model = scramble(keras.Model(inputs, wrong(conv(inputs))), rng)
    assert "it normalizes axis -1, which is not that of the channels of 'conv'" in reasons(model)["wrong"]
    assert_close(fold(model, verbose=False)(x), normalized(conv(x), wrong))


def test_a_dense_normalized_over_time_stays(rng):
    model = keras.Sequential([keras.Input((4, 3)), layers.Dense(2, name="dense"), STOCK(axis=1, name="bn")])
    scramble(model, rng)
    assert "it normalizes axis 1" in reasons(model)["bn"]
    x = rng.normal(size=(5, 4, 3)).astype("float32")
    assert_close(fold(model, verbose=False)(x), model(x))


def branching(bn=OURS):
    inputs = keras.Input((8, 8, 3), name="image")
    x = bn(name="first")(inputs)
    x = layers.Conv2D(4, 3, padding="same", name="conv1")(x)
    x = layers.ReLU(name="relu1")(bn(name="bn1")(x))
    shortcut = bn(name="bn_shortcut")(layers.Conv2D(4, 1, use_bias=False, name="conv_shortcut")(x))
    y = bn(name="bn2")(layers.DepthwiseConv2D(3, padding="same", name="conv2")(x))
    x = bn(name="bn_sum")(shortcut + keras.ops.relu(y))
    twice = layers.Conv2D(4, 1, name="conv_twice")(layers.Dropout(0.5)(x))
    x = layers.Concatenate()([bn(name="bn_twice")(twice), twice])
    x = bn(name="bn_active")(layers.Conv2D(5, 1, activation="relu", name="conv_active")(x))
    feature = layers.Conv2D(3, 1, name="conv_out")(x)
    head = layers.GlobalAveragePooling2D()(bn(name="bn_out")(feature))
    head = bn(name="bn_again")(bn(name="bn_head")(layers.Dense(2, name="dense")(head)))
    return keras.Model(inputs, {"head": head, "feature": feature})


def test_branches_and_what_stays(rng, capsys):
    model = scramble(branching(), rng)
    x = rng.normal(size=(3, 8, 8, 3)).astype("float32")
    assert reasons(model) == {
        "first": "it comes first in its model",
        "bn1": "conv1",
        "bn_shortcut": "conv_shortcut",
        "bn2": "conv2",
        "bn_sum": "it comes after Add 'add'",
        "bn_twice": "the output of 'conv_twice' is also used elsewhere",
        "bn_active": "conv_out",  # the layer before it has an activation of its own
        "bn_out": "the output of 'conv_out' is also used elsewhere",
        "bn_head": "dense",
        "bn_again": "it comes after BatchNormalization 'bn_head'",
    }
    capsys.readouterr()
    folded = fold(model)
    shown = capsys.readouterr().out
    assert f"Folded 5 of 10 BatchNormalization layers of {model.name!r}" in shown
    assert "bn_sum: stays, it comes after Add" in shown
    names = [layer.name for layer in folded.layers]
    assert {"bn1", "bn_shortcut", "bn2", "bn_active", "bn_head"}.isdisjoint(names)
    assert {type(layer) for layer in batch_norms(folded)} == {STOCK}
    assert len(batch_norms(folded)) == 5
    expected, actual = model.predict(x, verbose=0), folded.predict(x, verbose=0)
    assert set(actual) == {"head", "feature"}
    for key in actual:
        assert_close(actual[key], expected[key])


def test_the_model_given_is_left_untouched(rng):
    model = scramble(branching(), rng)
    x = rng.normal(size=(3, 8, 8, 3)).astype("float32")
    before, outputs = state(model), model.predict(x, verbose=0)
    nodes = [len(operation._inbound_nodes) for operation in model.operations]
    folded = fold(model, verbose=False)
    assert all(np.array_equal(a, b) for a, b in zip(before, state(model), strict=True))
    assert [len(operation._inbound_nodes) for operation in model.operations] == nodes
    assert all(type(layer) is OURS for layer in batch_norms(model))
    for variable in folded.weights:
        variable.assign(variable + 1.0)
    again = model.predict(x, verbose=0)
    assert all(np.array_equal(again[key], outputs[key]) for key in outputs)


def test_a_model_in_a_model_in_a_model(rng):
    deep = keras.Sequential(
        [keras.Input((6, 6, 3)), layers.Conv2D(3, 3, padding="same"), OURS()], name="deep"
    )
    inputs = keras.Input((6, 6, 3))
    middle = keras.Model(inputs, layers.ReLU()(STOCK()(layers.Conv2D(3, 1)(deep(inputs)))), name="middle")
    outer = keras.Sequential([keras.Input((6, 6, 3)), middle, layers.Conv2D(2, 1), OURS()], name="outer")
    inputs = keras.Input((6, 6, 3))
    x = layers.Add()([middle(inputs), middle(deep(inputs)), deep(inputs)])  # all of them used again
    model = scramble(keras.Model(inputs, outer(x)), rng)
    x = rng.normal(size=(3, 6, 6, 3)).astype("float32")
    assert len(plan(model)) == 3
    assert all(row.into for row in plan(model))
    folded = fold(model, verbose=False)
    assert not batch_norms(folded)
    assert_close(folded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert folded.count_params() == model.count_params() - 4 * (3 + 3 + 2)


def test_a_layer_used_three_times_stays(rng):
    conv, bn, single = layers.Conv2D(3, 1, name="conv"), OURS(name="bn"), STOCK(name="single")
    inputs = keras.Input((4, 4, 3))
    x = conv(inputs)
    for _ in range(2):
        x = bn(conv(layers.ReLU()(x)))
    x = bn(layers.Conv2D(3, 1)(x))
    model = scramble(keras.Model(inputs, single(conv(x))), rng)
    assert reasons(model) == {
        "bn": "it is used more than once",
        "single": "the layer before it, 'conv', is used more than once",
    }
    x = rng.normal(size=(3, 4, 4, 3)).astype("float32")
    folded = fold(model, verbose=False)
    assert len(batch_norms(folded)) == 2
    assert_close(folded(x), model(x))


def test_a_layer_shared_by_two_graphs_stays(rng):
    conv, bn = layers.Conv2D(3, 1, name="conv"), OURS(name="bn")
    inner = keras.Sequential([keras.Input((4, 4, 3)), conv, bn], name="inner")
    inputs = keras.Input((4, 4, 3))
    model = scramble(keras.Model(inputs, inner(layers.ReLU()(conv(inputs)))), rng)
    assert reasons(model) == {"inner/bn": "the layer before it, 'conv', is used more than once"} or reasons(
        model
    ) == {"bn": "the layer before it, 'conv', is used more than once"}
    x = rng.normal(size=(3, 4, 4, 3)).astype("float32")
    folded = fold(model, verbose=False)
    assert_close(folded(x), model(x))
    assert len(folded.weights) == len(model.weights)


@pytest.mark.parametrize("bn", [STOCK, OURS])
def test_training_at_the_call_site_is_not_folded_away(rng, bn):
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3), bn(name="deep")], name="inner")
    inputs = keras.Input((3,))
    x = bn(name="held")(layers.Dense(3, name="dense")(inputs), training=False)
    x = bn(name="forced")(layers.Dense(3)(x), training=True)
    model = scramble(keras.Model(inputs, inner(x, training=True)), rng)
    found = reasons(model)
    assert found["held"] == "dense"
    assert all("training=True where it is called" in found[path] for path in ("forced", "inner/deep"))


def test_sparse_inputs_stay_sparse(rng):
    dense = [layers.Dense(3), layers.BatchNormalization()]
    model = scramble(keras.Sequential([keras.Input((5,), sparse=True), *dense]), rng)
    folded = fold(model, verbose=False)
    assert folded.inputs[0].sparse
    x = tf.sparse.from_dense(np.eye(5, dtype="float32")[[0, 2, 2]])
    assert_close(folded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_renorm_is_folded_as_inference_has_it(rng):
    try:
        bn = STOCK(renorm=True, epsilon=0.01)
    except (TypeError, ValueError):
        pytest.skip("this Keras has no renorm")
    dense = layers.Dense(3)
    model = scramble(keras.Sequential([keras.Input((4,)), dense, bn]), rng)
    x = rng.normal(size=(5, 4)).astype("float32")
    folded = fold(model, verbose=False)
    assert len(folded.weights) == 2
    assert_close(folded(x), normalized(dense(x), bn))


def test_dead_channels(rng):
    dense, bn = layers.Dense(4, name="dense"), STOCK(name="bn")
    model = scramble(keras.Sequential([keras.Input((3,)), dense, bn]), rng)
    bn.moving_variance.assign([0.0, 1e-36, 1.0, 2.0])
    dense.kernel.assign(np.array(dense.kernel) * [0, 1, 1, 1])
    x = rng.normal(size=(5, 3)).astype("float32")
    folded = fold(model, verbose=False)
    assert len(folded.layers) == 1
    assert_close(folded(x), normalized(dense(x), bn))
    bn.epsilon = 0.0
    assert reasons(model)["bn"] == "the folded weights would not fit float32"


@pytest.mark.parametrize(
    ("policy", "relative"),
    [
        ("mixed_float16", 3e-3),
        ("mixed_bfloat16", 3e-2),
        ("float16", 3e-3),
        ("bfloat16", 3e-2),
        ("float64", 1e-12),
    ],
)
def test_dtype_policies(rng, policy, relative):
    bn = OURS(dtype=policy, name="bn")
    conv = layers.Conv2D(4, 3, dtype=policy, name="conv")
    model = scramble(keras.Sequential([keras.Input((6, 6, 3)), conv, bn]), rng)
    x = rng.normal(size=(3, 6, 6, 3)).astype("float32")
    folded = fold(model, verbose=False)
    assert [layer.name for layer in folded.layers] == ["conv"]
    assert folded.layers[0].dtype_policy.name == policy
    assert folded.outputs[0].dtype == model.outputs[0].dtype
    expected = normalized(keras.ops.cast(conv(x), "float64"), _wide(bn))
    assert_close(keras.ops.cast(folded(x), "float64"), expected, relative)
    assert_close(keras.ops.cast(model(x), "float64"), expected, relative)


def _wide(bn):
    """A float64 copy of a layer whose variables may be in bfloat16."""
    wide = STOCK(dtype="float64", epsilon=bn.epsilon, axis=bn.axis)
    wide.build((None, 6, 6, bn.moving_mean.shape[0]))
    for new, old in zip(wide.weights, bn.weights, strict=True):
        new.assign(keras.ops.cast(old, "float64"))
    return wide


def test_what_would_change_the_dtype_or_overflow_stays(rng):
    half = layers.Dense(2, dtype="mixed_float16", name="half")
    model = keras.Sequential([keras.Input((3,)), half, STOCK(name="bn", dtype="float32")])
    # Keras 3.8 puts the change of dtype into the graph, as an operation of its own.
    assert reasons(model)["bn"].startswith(
        ("it computes in float32 and the layer before", "it comes after Cast")
    )
    scramble(model, rng)
    x = rng.normal(size=(4, 3)).astype("float32")
    assert_close(fold(model, verbose=False)(x), model(x), 1e-3)
    inputs = keras.Input((3,))
    functional = scramble(
        keras.Model(inputs, STOCK(dtype="float32")(layers.Dense(2, dtype="float16")(inputs))), rng
    )
    assert_close(fold(functional, verbose=False)(x), functional(x), 1e-3)
    tight = STOCK(name="bn", dtype="float16", epsilon=1e-10)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, dtype="float16"), tight])
    tight.moving_variance.assign([0.0, 1.0])
    assert reasons(model)["bn"] == "the folded weights would not fit float16"


def test_layers_around_it_keep_their_state(rng):
    inputs, words = keras.Input((3,), name="numbers"), keras.Input((4,), dtype="int32", name="words")
    scale = layers.Normalization()
    scale.adapt(rng.normal(5, 3, (50, 3)))
    embedded = layers.GlobalAveragePooling1D()(layers.Embedding(9, 2, mask_zero=True)(words))
    x = layers.Concatenate()([layers.Dropout(0.3)(scale(inputs)), embedded])
    x = layers.GroupNormalization(1)(STOCK()(layers.Dense(4)(x)))
    model = scramble(keras.Model([inputs, words], x), rng)
    data = [rng.normal(5, 3, (6, 3)).astype("float32"), rng.integers(0, 9, (6, 4))]
    folded = fold(model, verbose=False)
    assert not batch_norms(folded)
    assert_close(folded.predict(data, verbose=0), model.predict(data, verbose=0))


@keras.saving.register_keras_serializable("tests")
class Block(layers.Layer):
    """A layer that is not a graph, with a BatchNormalization inside."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.bn = layers.Dense(3), OURS(name="inside")

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.bn.build((None, 3))

    def call(self, inputs):
        return self.bn(self.dense(inputs))


def test_a_layer_with_code_of_its_own_is_looked_into(rng):
    model = keras.Sequential([keras.Input((4,)), Block(name="block"), layers.Dense(2, name="dense"), OURS()])
    scramble(model, rng)
    assert reasons(model)["block/inside"].startswith("block/dense")
    folded = fold(model, verbose=False)
    assert not batch_norms(folded)
    assert type(model.get_layer("block").bn) is OURS
    x = rng.normal(size=(5, 4)).astype("float32")
    assert_close(folded(x), model(x))


def test_a_subclass_with_its_own_call_stays(rng):
    class Doubled(STOCK):
        def call(self, inputs, training=None, mask=None):
            return 2 * super().call(inputs, training=training, mask=mask)

    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), Doubled(name="doubled"), OURS(name="bn")])
    scramble(model, rng)
    found = reasons(model)
    assert found["doubled"] == "it is a Doubled, which has a call of its own"
    assert found["bn"] == "it comes after Doubled 'doubled'"
    x = rng.normal(size=(5, 3)).astype("float32")
    assert_close(fold(model, verbose=False)(x), model(x))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = STOCK()

    def call(self, inputs):
        return self.bn(inputs)


class OtherCall(keras.Model):
    def __init__(self):
        inputs = keras.Input((3,))
        super().__init__(inputs, STOCK()(layers.Dense(3)(inputs)))

    def call(self, inputs):
        return super().call(inputs) + 1.0


@pytest.mark.parametrize("make", [Subclassed, OtherCall])
def test_a_subclassed_model_is_refused(make):
    model = make()
    model(np.ones((2, 3), "float32"))
    with pytest.raises(ValueError, match=r"`model` to be a Functional or Sequential model; a subclassed one"):
        fold(model)


def test_other_bad_input():
    with pytest.raises(ValueError, match=r"nor one that is not built \(call it on a batch first\)"):
        fold(keras.Sequential([layers.Dense(2), STOCK()]))
    with pytest.raises(ValueError, match=r"`model` to contain a BatchNormalization layer"):
        fold(keras.Sequential([keras.Input((3,)), layers.Dense(2)]))

    class Lost(layers.Layer):
        def __init__(self, size):
            super().__init__(name="lost")

        def call(self, inputs):
            return inputs

    model = keras.Sequential([keras.Input((3,)), Lost(2), layers.Dense(2), STOCK()])
    with pytest.raises(ValueError, match=r"made again from their config. Received: Lost 'lost'"):
        fold(model)


def test_it_saves_exports_and_loads_where_tfbn_is_not_installed(rng, tmp_path):
    model = scramble(branching(), rng)
    x = rng.normal(size=(3, 8, 8, 3)).astype("float32")
    expected = model.predict(x, verbose=0)["head"]
    folded = fold(model, verbose=False)
    folded.save(tmp_path / "folded.keras")
    folded.export(tmp_path / "exported", verbose=False)
    with without_tfbn():
        loaded = keras.models.load_model(tmp_path / "folded.keras")
        exported = tf.saved_model.load(tmp_path / "exported")
        for outputs in (loaded.predict(x, verbose=0), exported.serve(tf.constant(x))):
            np.testing.assert_allclose(outputs["head"], expected, rtol=1e-4, atol=1e-5)


def check_application(name, rng, size, **arguments):
    make = getattr(keras.applications, name)
    model = make(weights=None, include_top=False, input_shape=(size, size, 3), **arguments)
    scramble(model, rng)
    for bn in batch_norms(model):  # else some networks, so scrambled, make 1e12 times more of any rounding
        if bn.scale:
            bn.gamma.assign(0.4 * bn.gamma)
    x = rng.uniform(0, 255 if "Efficient" in name else 1, (2, size, size, 3)).astype("float32")
    folded = fold(model, verbose=False)
    rows = plan(model)
    assert len(batch_norms(folded)) == sum(not row.into for row in rows)
    assert_close(np.array(folded(x, training=False)), np.array(model(x, training=False)))
    return [row.path for row in rows if not row.into], len(rows)


@pytest.mark.parametrize(("name", "number"), [("MobileNetV2", 52), ("MobileNet", 27)])
def test_applications(rng, name, number):
    stay, total = check_application(name, rng, 32, alpha=0.35 if name == "MobileNetV2" else 0.25)
    assert (stay, total) == ([], number)


APPLICATIONS = {
    "ConvNeXtTiny": None, "DenseNet121": None, "DenseNet169": None, "DenseNet201": None,
    "EfficientNetB0": None, "EfficientNetB1": None, "EfficientNetB2": None, "EfficientNetB3": None,
    "EfficientNetB4": None, "EfficientNetB5": None, "EfficientNetB6": None, "EfficientNetB7": None,
    "EfficientNetV2B0": None, "EfficientNetV2B1": None, "EfficientNetV2B2": None, "EfficientNetV2B3": None,
    "EfficientNetV2S": None, "EfficientNetV2M": None, "EfficientNetV2L": None,
    "InceptionResNetV2": 75, "InceptionV3": 75, "MobileNetV3Small": None, "MobileNetV3Large": None,
    "NASNetMobile": None, "ResNet50": None, "ResNet101": None, "ResNet152": None,
    "ResNet50V2": None, "ResNet101V2": None, "ResNet152V2": None, "Xception": 71,
}  # fmt: skip
del APPLICATIONS["ConvNeXtTiny"]  # it has no BatchNormalization


@pytest.mark.long
@pytest.mark.parametrize("name", APPLICATIONS)
def test_all_applications(rng, name):
    stay, total = check_application(name, rng, APPLICATIONS[name] or 32)
    assert total - len(stay) > 0
