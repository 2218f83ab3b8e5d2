"""Cached features of networks whose blocks run code of their own: where that is the same in `fit`."""

import keras
import numpy as np
import pytest

import tfbn
from tests.transforms.test_features import SHAPE, backbone, scrambled
from tfbn.utils.validation import InputError

layers = keras.layers


class Inside(keras.layers.Layer):
    """A block that hands `training` on, with an operation and another block in it; without a config."""

    def __init__(self, deeper=None, by_code=None, **kwargs):
        super().__init__(**kwargs)
        self.conv, self.bn = layers.Conv2D(3, 3, padding="same", name="conv"), layers.BatchNormalization()
        self.deeper, self.__dict__["by_code"] = deeper, by_code

    def build(self, shape):
        self.conv.build(shape), self.bn.build(shape)
        if self.deeper is not None:
            self.deeper.build(shape)
        self.built = True

    def call(self, x, training=None):
        y = keras.ops.mean(self.bn(self.conv(x), training=training), 1, keepdims=True)
        if self.deeper is not None:
            y = self.deeper(y, training=training)
        if self.__dict__["by_code"] is not None:
            y = self.__dict__["by_code"](y, training)
        return x + y


class Weighted(Inside):
    """One that uses a weight of its own."""

    def build(self, shape):
        super().build(shape)
        self.scale = self.add_weight(shape=(3,), initializer="ones")

    def call(self, x, training=None):
        return super().call(x, training=training) * self.scale


class Counting(Inside):
    """One that changes a state of its own in training, which no graph shows."""

    def build(self, shape):
        super().build(shape)
        self.count = self.add_weight(shape=(), trainable=False, initializer="zeros")

    def call(self, x, training=None):
        if training:
            self.count.assign_add(1.0)
        return super().call(x, training=training)


BLOCKS = {
    "block": lambda: Inside(name="own"),
    "block in block": lambda: Inside(Inside(), name="own"),
    "weight of its own": lambda: Weighted(name="own"),
    "inside a block with a weight": lambda: Weighted(Inside(), name="own"),
    "dropout at rate 0": lambda: keras.Sequential([Inside(name="own"), layers.Dropout(0.0)]),
    "a list of them": lambda: keras.Sequential([Inside(), Inside(Inside())]),
    "function without training": lambda: layers.Lambda(lambda x: x + 1.0),
    "the same either way": lambda: Inside(by_code=lambda y, training: 2 * y if training else 1 * 2 * y),
}


def other_array(y, training):
    return y * np.full(3, 2.0 if training else 1.0, "float32")


def other_axis(y, training):
    return keras.ops.flip(y, 2 if training else 3)


def as_a_value(y, training):
    return keras.ops.where(keras.ops.convert_to_tensor(bool(training)), 2 * y, y)


LOOKS = {
    "adds an operation": lambda y, training: y + 1 if training else y,
    "other operation": lambda y, training: y + 2 if training else y * 2,
    "other constant": lambda y, training: y * (1.5 if training else 1.0),
    "other array": other_array,
    "other axis": other_axis,
    "other tensor": lambda y, training: (y + 1) * (y + 2 if training else y),
    "as a value": as_a_value,
}
NOT_BLOCKS = {kind: lambda code=code: Inside(by_code=code, name="own") for kind, code in LOOKS.items()} | {
    "deep inside": lambda: Inside(Inside(by_code=LOOKS["other constant"], name="own"), name="outer"),
    "state of its own": lambda: Counting(name="own"),
    "function of training": lambda: layers.Lambda(lambda x, training: 2 * x if training else x, name="own"),
}


@pytest.fixture
def x(rng):
    return rng.normal(1, 2, (7, *SHAPE)).astype("float32")


def with_block(block, rng):
    base = backbone(training=False)
    inputs = keras.Input(SHAPE)
    model = scrambled(keras.Model(inputs, layers.Dense(3, name="head")(base(block(inputs)))), rng)
    tfbn.freeze(model, up_to="base", training=False)
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("kind", BLOCKS)
def test_blocks_of_ones_own_are_cached(rng, x, kind):
    model = with_block(BLOCKS[kind](), rng)
    features = tfbn.cache_features(model, x, verbose=False)
    stored = np.stack(list(features.data.as_numpy_iterator()))
    assert [type(layer) for layer in features.rest.layers] == [layers.InputLayer, layers.Dense]
    # In training mode too: that is what they stand for.
    for training in (False, True):
        expected = keras.ops.convert_to_numpy(model(x, training=training))
        assert np.abs(np.array(features.rest(stored)) - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("kind", NOT_BLOCKS)
def test_blocks_that_look_at_training_themselves_are_refused(rng, x, kind):
    with pytest.raises(InputError, match=r"own': it is a (Inside|Lambda|Counting), whose own code decides"):
        tfbn.cache_features(with_block(NOT_BLOCKS[kind](), rng), x, verbose=False)


# Backbones of KerasHub.


def mobilenet_v5(hub):
    two = [[0], [0, 0]]
    return hub.models.MobileNetV5Backbone(
        stackwise_block_types=[["er"], ["uir", "uir"]],
        stackwise_num_blocks=[1, 2],
        stackwise_num_filters=[[8], [16, 16]],
        stackwise_strides=[[2], [2, 1]],
        stackwise_act_layers=[["relu"], ["relu", "relu"]],
        stackwise_exp_ratios=[[2.0], [3.0, 3.0]],
        stackwise_se_ratios=[[0.0], [0.0, 0.0]],
        stackwise_dw_kernel_sizes=[[0], [5, 5]],
        stackwise_dw_start_kernel_sizes=two,
        stackwise_dw_end_kernel_sizes=two,
        stackwise_exp_kernel_sizes=[[3], [0, 0]],
        stackwise_pw_kernel_sizes=[[1], [0, 0]],
        stackwise_num_heads=two,
        stackwise_key_dims=two,
        stackwise_value_dims=two,
        stackwise_kv_strides=two,
        stackwise_use_cpe=[[False], [False, False]],
        use_msfa=False,
        norm_layer="batch_norm",
        image_shape=(32, 32, 3),
    )


def hgnet_v2(hub):
    return hub.models.HGNetV2Backbone(
        depths=[1, 1],
        embedding_size=8,
        hidden_sizes=[8, 16],
        stem_channels=[3, 8, 8],
        hidden_act="relu",
        use_learnable_affine_block=True,
        stackwise_stage_filters=[(8, 8, 16, 1, 1, 3), (16, 8, 32, 2, 2, 3)],
        apply_downsample=[False, True],
        use_lightweight_conv_block=[False, True],
        image_shape=(32, 32, 3),
    )


def efficientnet(hub):
    return hub.models.EfficientNetBackbone(
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 2],
        stackwise_input_filters=[8, 8],
        stackwise_output_filters=[8, 16],
        stackwise_expansion_ratios=[1, 4],
        stackwise_strides=[1, 2],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25],
        stackwise_block_types=["v1", "fused"],
        width_coefficient=1.0,
        depth_coefficient=1.0,
        dropout=0.0,
        image_shape=(32, 32, 3),
    )


@pytest.mark.parametrize("make", [mobilenet_v5, hgnet_v2, efficientnet])
def test_backbones_of_keras_hub(rng, make):
    base = make(pytest.importorskip("keras_hub"))
    x = rng.normal(size=(5, 32, 32, 3)).astype("float32")
    pooled = layers.GlobalAveragePooling2D(name="pool")(keras.tree.flatten(base.output)[-1])
    model = keras.Model(base.input, layers.Dense(3, name="head")(pooled))
    tfbn.recalibrate(model, x[:3], verbose=False)
    tfbn.freeze(model, up_to="pool", training=False)
    model.compile("sgd", "mse")
    features = tfbn.cache_features(model, x, np.zeros((5, 3)), verbose=False)
    assert not tfbn.traversal.batch_normalizations(features.prefix)  # folded, also inside the blocks
    stored = np.stack([each for each, _ in features.data.as_numpy_iterator()])
    found, expected = np.array(features.rest(stored)), np.array(model(x, training=False))
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    # What the features stand for is the model in `fit`.
    assert np.abs(np.array(model(x, training=True)) - expected).max() < 1e-5 * np.abs(expected).max()
