"""With stand-ins, a symbolic call tells the same of every layer as with every operation traced."""

import contextlib

import keras
import pytest
import tensorflow as tf
from keras import layers

import tfbn
from tfbn.graph import symbolic_calls
from tfbn.graph.symbolic_calls import received
from tfbn.graph.traversal import named_layers

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow's graphs")


class Branches(keras.layers.Layer):
    """Calls layers in branches of `tf.cond`, each of which is a graph of its own, and outside of them."""

    def __init__(self, **options):
        super().__init__(**options)
        self.parts = [layers.Dense(4), layers.BatchNormalization(), layers.Dense(4), layers.Dense(4)]

    def build(self, shape):
        for part in self.parts:
            part.build((*shape[:-1], 4))

    def call(self, x, training=None):
        first, norm, second, third = self.parts
        x = third(first(x))
        return norm(
            tf.cond(tf.reduce_sum(x) > 0, lambda: second(first(x)), lambda: first(second(x))),
            training=training,
        )


def deep():
    x = inputs = keras.Input((8, 8, 4))
    for _ in range(3):
        y = layers.Conv2D(4, 3, padding="same")(x)
        y = layers.ReLU()(layers.BatchNormalization()(y, training=True))
        x = layers.Add()([x, layers.BatchNormalization()(layers.Dropout(0.1)(y))])
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def shared():
    x = inputs = keras.Input((8, 8, 4))
    conv, norm = layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization()
    for _ in range(2):
        x = norm(conv(x))
    return keras.Model(inputs, norm(layers.AveragePooling2D(2)(x), training=False))


def masked():
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Dense(4)(layers.Embedding(9, 4, mask_zero=True)(inputs))
    y = layers.Dense(4)(layers.LayerNormalization()(keras.ops.ones_like(x)))
    return keras.Model(inputs, [layers.BatchNormalization()(x), layers.BatchNormalization()(y)])


def branches():
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.BatchNormalization()(Branches()(layers.Dense(4)(inputs))))


def of_mixed_types():
    x = inputs = keras.Input((8, 8, 4))
    for dtype in ("mixed_float16", "float32", "mixed_float16", "float32"):
        x = layers.BatchNormalization(dtype=dtype)(layers.Conv2D(4, 1, dtype=dtype)(x))
    return keras.Model(inputs, x)


def ours():
    return tfbn.models.build("resnet20", training=True)


@pytest.mark.parametrize("build", [deep, shared, masked, branches, of_mixed_types, ours])
@pytest.mark.parametrize("training", [True, False])
def test_every_layer_receives_the_same(build, training, monkeypatch):
    model = build()
    watched = [
        named.layer
        for named in named_layers(model)
        if isinstance(named.layer, (layers.BatchNormalization, layers.Dropout))
    ]
    assert watched
    found = received(model, watched, training)
    monkeypatch.setattr(symbolic_calls, "stand_ins", lambda model: contextlib.nullcontext())
    assert found == received(model, watched, training)
    assert len(found) == len(watched)


def test_layers_that_were_seen_are_not_traced_again(monkeypatch):
    model, traced = deep(), []
    monkeypatch.setattr(layers.Conv2D, "call", lambda self, x: traced.append(x) or x)
    received(model, [], training=True)
    assert len(traced) == 1


def test_afterwards_layers_compute(rng):
    model = deep()
    x = rng.normal(size=(2, 8, 8, 4)).astype("float32")
    before = model.predict(x, verbose=0)
    received(model, [], training=True)
    assert not any("call" in named.layer.__dict__ for named in named_layers(model))
    assert (model.predict(x, verbose=0) == before).all()
