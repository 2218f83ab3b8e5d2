"""Folding inside layers with code of their own, into the layer after, and with the names kept."""

import keras
import numpy as np
import pytest

import tfbn
from tests.transforms.test_folding import assert_close, batch_norms, normalized, scramble, state
from tfbn.transforms.folding import fold, plan

L = keras.layers
STOCK = L.BatchNormalization


@keras.saving.register_keras_serializable("tests_folding")
class Block(L.Layer):
    """Two convolutions of one name, operations between them, and a shortcut."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv, self.bn = L.Conv2D(4, 3, padding="same", use_bias=False, name="conv"), STOCK(name="bn")
        self.conv2, self.bn2 = L.Conv2D(4, 3, padding="same", name="conv"), tfbn.BatchNormalization()
        self.drop = L.Dropout(0.5)

    def call(self, x, training=None):
        y = keras.ops.relu(self.bn(self.conv(x), training=training))
        y = self.drop(self.bn2(self.conv2(y), training=training), training=training)
        return x + 0.5 * y


class Nested(L.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = Block(), Block()
        self.head = keras.Sequential([L.Conv2D(2, 1), STOCK(), L.ReLU()])

    def call(self, x):
        return self.head(self.second(self.first(x)))


class TwoInputs(L.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv, self.bn = L.Conv2D(4, 1), STOCK()

    def call(self, x, other=None):
        y = self.bn(self.conv(x))
        return {"sum": y + other, "both": [y, other]}


class OwnWeight(L.Layer):
    """What it multiplies by is a weight of its own, which a graph has no place for."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv, self.bn = L.Conv2D(4, 1), STOCK()

    def build(self, shape):
        self.weight = self.add_weight(shape=(), initializer="ones")
        self.conv.build(shape), self.bn.build(shape)

    def call(self, x):
        return self.bn(self.conv(x)) * self.weight


class LooksAtValues(OwnWeight):
    def call(self, x):
        return self.bn(self.conv(x)) if float(np.sum(np.ones(2))) else x.numpy()


class OtherOperations(OwnWeight):
    def call(self, x):
        import tensorflow as tf

        if isinstance(x, keras.KerasTensor):
            raise TypeError("only values")
        return tf.abs(self.bn(self.conv(x)))

    def compute_output_shape(self, shape):
        return shape


def on_images(*blocks):
    return keras.Sequential([keras.Input((6, 6, 4)), *blocks])


def images(rng):
    return rng.normal(size=(3, 6, 6, 4)).astype("float32")


@pytest.mark.parametrize(
    ("blocks", "count"), [((Block,), 2), ((Block, Block), 4), ((Nested,), 5), ((Block, Nested), 7)]
)
def test_blocks_of_ones_own_fold(rng, blocks, count):
    model = scramble(on_images(*(block(name=f"block{i}") for i, block in enumerate(blocks))), rng)
    x = images(rng)
    expected, before = model.predict(x, verbose=0), state(model)
    folded = fold(model, verbose=False)
    assert len([row for row in plan(model) if row.into]) == count == len(plan(model))
    assert not batch_norms(folded)
    assert_close(folded.predict(x, verbose=0), expected)
    for value, old in zip(state(model), before, strict=True):
        np.testing.assert_array_equal(value, old)
    assert [layer.name for layer in folded.layers] == [layer.name for layer in model.layers]


def test_the_block_stays_as_it_was(rng):
    model = scramble(on_images(Block(name="block")), rng)
    block = model.layers[0]
    calls = [len(layer._inbound_nodes) for layer in block._flatten_layers()]
    fold(model, verbose=False)
    assert [len(layer._inbound_nodes) for layer in block._flatten_layers()] == calls


def test_a_folded_block_saves_and_loads_without_its_class(rng, tmp_path):
    model = scramble(on_images(Block(name="block"), L.GlobalAveragePooling2D()), rng)
    folded = fold(model, verbose=False)
    folded.save(tmp_path / "folded.keras")
    loaded = keras.models.load_model(tmp_path / "folded.keras")
    x = images(rng)
    assert_close(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert not any(isinstance(layer, Block) for layer in loaded._flatten_layers())


def test_several_inputs_by_keyword_and_a_structure_of_outputs(rng):
    one, two = keras.Input((6, 6, 4)), keras.Input((6, 6, 4))
    outputs = TwoInputs(name="two")(one, other=two)
    model = scramble(keras.Model([one, two], [outputs["both"][0], outputs["sum"]]), rng)
    x = [images(rng), images(rng)]
    folded = fold(model, verbose=False)
    assert not batch_norms(folded)
    for found, expected in zip(folded(x), model(x), strict=True):
        assert_close(found, expected)


@pytest.mark.parametrize("kind", [OwnWeight, OtherOperations])
def test_what_cannot_be_traced_stays_whole(rng, kind):
    inputs = keras.Input((6, 6, 4))
    block = kind(name="own")
    x = images(rng)
    model = scramble(keras.Model(inputs, block(L.ReLU()(STOCK(name="out")(L.Conv2D(4, 1)(inputs))))), rng)
    rows = {row.path: row for row in plan(model)}
    assert rows["out"].into
    assert [row.reason for path, row in rows.items() if path != "out"] == [
        "it is not in the graph of a functional model"
    ]
    folded = fold_with(model, kind)
    assert_close(folded(x), model(x))
    assert len(batch_norms(folded)) == 1


def fold_with(model, kind):
    with keras.saving.custom_object_scope({kind.__name__: kind}):
        return fold(model, verbose=False)


def test_training_true_inside_stays(rng):
    class Forced(L.Layer):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = L.Conv2D(4, 1), STOCK()

        def build(self, shape):
            self.conv.build(shape), self.bn.build(shape)

        def call(self, x):
            return self.bn(self.conv(x), training=True)

    model = on_images(Forced())
    assert "training=True" in plan(model)[0].reason


AFTER = {
    "dense": ((5,), lambda **k: L.Dense(4, **k)),
    "conv 1d, dilated": ((9, 2), lambda **k: L.Conv1D(3, 2, dilation_rate=2, **k)),
    "conv 2d, strided": ((6, 7, 2), lambda **k: L.Conv2D(3, 3, strides=2, **k)),
    "conv 2d, groups": ((6, 7, 4), lambda **k: L.Conv2D(6, 3, groups=2, **k)),
    "conv 2d, 1x1 with padding": ((6, 7, 4), lambda **k: L.Conv2D(6, 1, padding="same", **k)),
    "conv 3d": ((4, 5, 6, 2), lambda **k: L.Conv3D(3, 2, **k)),
    "depthwise 1d": ((9, 3), lambda **k: L.DepthwiseConv1D(2, depth_multiplier=2, **k)),
    "depthwise 2d": ((6, 7, 3), lambda **k: L.DepthwiseConv2D(3, depth_multiplier=2, **k)),
    "separable 2d": ((6, 7, 2), lambda **k: L.SeparableConv2D(3, 3, depth_multiplier=2, **k)),
}


@pytest.mark.parametrize("both_sides", [False, True])
@pytest.mark.parametrize("kind", AFTER)
def test_the_layer_after_takes_the_normalization_in(rng, kind, both_sides):
    shape, make = AFTER[kind]
    after = make(use_bias=both_sides, activation=None if both_sides else "relu", name="after")
    bn, late = STOCK(name="bn"), STOCK(name="late")
    model = scramble(
        keras.Sequential([keras.Input(shape), L.ReLU(), bn, after, *([late] if both_sides else [])]), rng
    )
    x = rng.normal(size=(3, *shape)).astype("float32")
    expected = after(normalized(np.maximum(x, 0), bn))
    expected = normalized(expected, late) if both_sides else expected
    folded = fold(model, verbose=False)
    assert [layer.name for layer in folded.layers][1:] == ["after"]
    assert_close(folded(x), expected)


NOT_AFTER = {
    "padding": L.Conv2D(3, 3, padding="same"),
    "transposed": L.Conv2DTranspose(3, 3),
    "not linear": L.MaxPooling2D(),
    "another axis": L.Permute((3, 1, 2)),
}


@pytest.mark.parametrize("kind", NOT_AFTER)
def test_where_the_layer_after_cannot(rng, kind):
    model = scramble(
        keras.Sequential([keras.Input((6, 7, 4)), L.ReLU(name="relu"), STOCK(name="bn"), NOT_AFTER[kind]]),
        rng,
    )
    assert plan(model)[0].reason == "it comes after ReLU 'relu'"
    x = rng.normal(size=(3, 6, 7, 4)).astype("float32")
    assert_close(fold(model, verbose=False)(x), model(x))


@pytest.mark.parametrize("where", ["also used", "also an output", "conv used twice"])
def test_the_layer_after_must_be_alone(rng, where):
    inputs = keras.Input((6, 7, 4))
    conv = L.Conv2D(3, 1)
    y = STOCK(name="bn")(L.ReLU()(inputs))
    outputs = {
        "also used": lambda: [conv(y), L.ReLU()(y)],
        "also an output": lambda: [conv(y), y],
        "conv used twice": lambda: [conv(y), conv(inputs)],
    }[where]()
    model = scramble(keras.Model(inputs, outputs), rng)
    assert not plan(model)[0].into
    x = rng.normal(size=(3, 6, 7, 4)).astype("float32")
    for found, expected in zip(fold(model, verbose=False)(x), model(x), strict=True):
        assert_close(found, expected)


def two_outputs(kind):
    x = keras.Input((6,), name="x")
    heads = {f"out{i}": STOCK(name=f"out{i}")(L.Dense(i, name=f"d{i}")(x)) for i in (1, 2)}
    return keras.Model(x, heads if kind == "dict" else list(heads.values()), name="net")


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_names_of_outputs_stay_and_losses_go_by_them(rng, kind):
    model = scramble(two_outputs(kind), rng)
    folded = fold(model, verbose=False)
    assert folded.output_names == model.output_names == ["out1", "out2"]
    assert not batch_norms(folded)
    x = rng.normal(size=(8, 6)).astype("float32")
    y = {"out1": rng.normal(size=(8, 1)), "out2": rng.normal(size=(8, 2))}
    scores = []
    for each in (model, folded):
        each.compile("sgd", loss={"out1": "mse", "out2": "mae"}, metrics={"out1": ["mae"], "out2": ["mse"]})
        scores.append(each.evaluate(x, y, verbose=0, return_dict=True))
    assert scores[0].keys() == scores[1].keys()
    for name, score in scores[0].items():
        np.testing.assert_allclose(scores[1][name], score, rtol=1e-4)


def test_names_of_the_outputs_of_nested_models_stay(rng):
    inner = two_outputs("list")
    inputs = keras.Input((6,))
    model = scramble(keras.Model(inputs, [L.ReLU(name=f"r{i}")(y) for i, y in enumerate(inner(inputs))]), rng)
    folded = fold(model, verbose=False)
    assert folded.get_layer("net").output_names == ["out1", "out2"]
    x = rng.normal(size=(8, 6)).astype("float32")
    for found, expected in zip(folded(x), model(x), strict=True):
        assert_close(found, expected)


@keras.saving.register_keras_serializable("tests_folding")
class Task(keras.Model):
    """Keeps a base in its config and scales what it is given, as a task with a preprocessor does."""

    def __init__(self, base, scale=3.0, **kwargs):
        inputs = keras.Input((6, 6, 4))
        super().__init__(inputs, L.GlobalAveragePooling2D()(base(inputs)), **kwargs)
        self.base, self.scale = base, scale

    def predict_step(self, data):
        return super().predict_step(data * self.scale)

    def get_config(self):
        return {
            "base": keras.saving.serialize_keras_object(self.base),
            "scale": self.scale,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("base")), **config)


def test_the_class_of_the_model_stays_with_what_it_does_to_data(rng, tmp_path):
    base = scramble(on_images(L.Conv2D(4, 3), STOCK(), L.ReLU()), rng)
    model = Task(base, scale=7.0, name="task")
    folded = fold(model, verbose=False)
    assert type(folded) is Task
    assert folded.scale == 7.0
    assert folded.base is not base
    assert not batch_norms(folded)
    x = images(rng)
    assert_close(folded.predict(x, verbose=0), model.predict(x, verbose=0))
    folded.save(tmp_path / "task.keras")
    assert_close(
        keras.models.load_model(tmp_path / "task.keras").predict(x, verbose=0), model.predict(x, verbose=0)
    )


def test_a_class_that_would_make_the_layers_again_becomes_functional(rng, tmp_path):
    class Backbone(keras.Model):
        def __init__(self, **kwargs):
            inputs = keras.Input((6, 6, 4))
            super().__init__(inputs, L.ReLU()(STOCK()(L.Conv2D(4, 3)(inputs))), **kwargs)

        def get_config(self):
            return {"name": self.name}

    model = scramble(Backbone(name="backbone"), rng)
    folded = fold(model, verbose=False)
    assert type(folded).__name__ == "Functional"
    folded.save(tmp_path / "folded.keras")
    x = images(rng)
    assert_close(keras.models.load_model(tmp_path / "folded.keras")(x), model(x))


class BuildsTwice(L.Layer):
    """Has one weight more when it is made again, as a layer whose `build` runs twice."""

    made = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        type(self).made += 1

    def build(self, shape):
        for _ in range(type(self).made):
            self.add_weight(shape=())

    def call(self, x):
        return x * 2.0


def test_a_layer_that_is_not_the_same_when_made_again_is_refused_clearly(rng):
    model = on_images(L.Conv2D(4, 1), STOCK(), BuildsTwice(name="odd"))
    with pytest.raises(ValueError, match=r"made again from their config.*Received: BuildsTwice 'odd'"):
        fold(model, verbose=False)
