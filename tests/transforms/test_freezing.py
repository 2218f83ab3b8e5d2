"""freeze and unfreeze: exactly what was named, and in the next `fit`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfbn
from tfbn.graph.traversal import named_layers
from tfbn.layers import BatchNormalization

L = keras.layers


class Subclassed(keras.Model):
    """Layers in a list and a dict, and a functional model inside."""

    def __init__(self):
        super().__init__()
        inner = keras.Input((6,))
        self.base = keras.Model(
            inner, L.BatchNormalization(name="bn")(L.Dense(5, name="dense")(inner)), name="base"
        )
        self.blocks = [L.Dense(4, name="block_a"), L.BatchNormalization(name="block_bn")]
        self.heads = {"out": L.Dense(2, name="head")}

    def call(self, x, training=None):
        x = self.base(x, training=training)
        x = self.blocks[1](self.blocks[0](x), training=training)
        return self.heads["out"](x)


def functional():
    inputs = keras.Input((6,))
    x = L.BatchNormalization(name="bn")(L.Dense(5, name="dense")(inputs))
    x = L.BatchNormalization(name="block_bn")(L.Dense(4, name="block_a")(x))
    return keras.Model(inputs, L.Dense(2, name="head")(x))


def nested():
    inner = keras.Input((6,))
    base = keras.Model(inner, L.BatchNormalization(name="bn")(L.Dense(5, name="dense")(inner)), name="base")
    middle = keras.Sequential([keras.Input((6,)), base], name="middle")
    inputs = keras.Input((6,))
    x = L.BatchNormalization(name="block_bn")(L.Dense(4, name="block_a")(middle(inputs)))
    return keras.Model(inputs, L.Dense(2, name="head")(x))


FORMS = {"functional": functional, "nested": nested, "subclassed": Subclassed}


def built(form, optimizer="sgd", **compiled):
    model = FORMS[form]()
    model(np.zeros((2, 6), "float32"))
    for named in named_layers(model):
        if isinstance(named.layer, keras.layers.BatchNormalization):
            named.layer.moving_mean.assign(np.linspace(1, 2, named.layer.moving_mean.shape[0]))
    model.compile(optimizer, "mse", **compiled)
    return model


def fit(model):
    """One epoch; returns the paths of the variables that moved, as `layer/variable`."""

    def train(x, y):  # batches of one known shape take less to trace
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(10, drop_remainder=True)
        model.fit(data, verbose=0, shuffle=False)

    return moved_by(model, train)


def step(model):
    """The same for one step of the function that `fit` runs."""
    return moved_by(model, model.train_on_batch)


def moved_by(model, train):
    rng = np.random.default_rng(0)
    before = {id(v): keras.ops.convert_to_numpy(v).copy() for v in model.weights}
    train(rng.normal(1, 2, (20, 6)), rng.normal(size=(20, 2)))
    moved = {id(v) for v in model.weights if np.any(keras.ops.convert_to_numpy(v) != before[id(v)])}
    leaves = [s.layer for s in named_layers(model) if isinstance(s.layer, (L.Dense, L.BatchNormalization))]
    return {f"{layer.name}/{v.name}" for layer in leaves for v in layer.weights if id(v) in moved}


def names(*layers, of=("kernel", "bias", "gamma", "beta")):
    kinds = {"dense": ("kernel", "bias"), "bn": ("gamma", "beta", "moving_mean", "moving_variance")}
    return {f"{n}/{v}" for n in layers for v in kinds["bn" if n.endswith("bn") else "dense"] if v in of}


STATISTICS = ("moving_mean", "moving_variance")
EVERYTHING = names(
    "dense", "bn", "block_a", "block_bn", "head", of=("kernel", "bias", "gamma", "beta", *STATISTICS)
)


@pytest.mark.parametrize(
    ("form", "optimizer"),
    [
        *((form, "momentum") for form in FORMS),
        *(pytest.param(form, "adam", marks=pytest.mark.long) for form in FORMS),
    ],
)
def test_what_moves_in_fit_before_after_and_again(form, optimizer):
    train = fit if form == "functional" else step
    model = built(form, keras.optimizers.SGD(0.1, momentum=0.9) if optimizer == "momentum" else optimizer)
    assert train(model) == EVERYTHING
    iterations = int(model.optimizer.iterations)

    tfbn.freeze(model, ["dense", "bn"], training=False)
    assert train(model) == EVERYTHING - names(
        "dense", "bn", of=("kernel", "bias", "gamma", "beta", *STATISTICS)
    )

    tfbn.freeze(model, ["dense", "bn"], training=True)
    assert train(model) == EVERYTHING - names("dense", "bn")

    tfbn.freeze(model, ["dense", "bn"], training=True, update_statistics=False)
    assert train(model) == EVERYTHING - names(
        "dense", "bn", of=("kernel", "bias", "gamma", "beta", *STATISTICS)
    )

    tfbn.unfreeze(model, ["dense", "bn"])
    bn = next(s.layer for s in named_layers(model) if s.layer.name == "bn")
    assert (bn.training, bn.update_statistics, bn.trainable) == (None, None, True)
    assert train(model) == EVERYTHING
    assert int(model.optimizer.iterations) == 5 * iterations  # the count goes on through every change


def test_slots_of_what_still_trains_are_carried_over():
    model = built("functional", keras.optimizers.SGD(0.1, momentum=0.9), run_eagerly=True)
    step(model)
    slots = {v.path: v.numpy().copy() for v in model.optimizer.variables if "momentum" in v.path}
    assert all(np.any(value) for value in slots.values())
    tfbn.freeze(model, "dense")
    kept = {v.path: v.numpy() for v in model.optimizer.variables if "momentum" in v.path}
    assert set(kept) == {path for path in slots if "/dense_" not in path}
    for path, value in kept.items():
        np.testing.assert_array_equal(value, slots[path])


def test_mixed_precision_keeps_its_loss_scale():
    inputs = keras.Input((6,))
    x = L.BatchNormalization(name="bn")(L.Dense(5, name="dense", dtype="mixed_float16")(inputs))
    model = keras.Model(inputs, L.Dense(2, name="head")(x))
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01), initial_scale=64.0), "mse")
    step(model)
    tfbn.freeze(model, ["dense", "bn"])
    assert step(model) == names("head")
    assert float(model.optimizer.dynamic_scale) == 64.0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("arguments", "frozen"),
    [
        ({"layers": "block*"}, {"block_a", "block_bn"}),
        ({"layers": ["de*", "head"]}, {"dense", "head"}),
        ({"layers": "block"}, {"block_a", "block_bn"}),  # the stage of that name
        ({"up_to": "bn"}, {"dense", "bn"}),
        ({"up_to": "dense", "layers": "head"}, {"dense", "head"}),
        ({}, {"dense", "bn", "block_a", "block_bn", "head"}),
    ],
)
def test_selection(form, arguments, frozen):
    model = built(form)
    changes = tfbn.freeze(model, **arguments)
    leaves = [s for s in named_layers(model) if isinstance(s.layer, (L.Dense, L.BatchNormalization))]
    assert {s.layer.name for s in leaves if not s.layer.trainable} == frozen
    trained = {v.path for v in model.trainable_variables}
    assert trained == {
        v.path for s in leaves if s.layer.name not in frozen for v in s.layer.trainable_variables
    }
    assert {c.path.split("/")[-1] for c in changes if c.flag == "training"} == {
        n for n in frozen if n.endswith("bn")
    }
    assert "head" in str(changes) or "head" not in frozen


@pytest.mark.parametrize("form", ["nested", "subclassed"])
def test_a_container_is_named_and_part_of_it_thawed(form):
    model = built(form)
    tfbn.freeze(model, "base")
    assert step(model) == EVERYTHING - names(
        "dense", "bn", of=("kernel", "bias", "gamma", "beta", *STATISTICS)
    )
    tfbn.unfreeze(model, "bn")
    assert step(model) == EVERYTHING - names("dense")


def test_what_the_user_froze_stays_frozen():
    model = built("nested")
    model.get_layer("middle").trainable = False
    tfbn.unfreeze(model, "head")
    assert not model.get_layer("middle").get_layer("base").get_layer("dense").trainable
    tfbn.unfreeze(model, "dense")
    base = model.get_layer("middle").get_layer("base")
    assert base.get_layer("dense").trainable
    assert not base.get_layer("bn").trainable


def test_a_layer_thawed_by_hand_in_a_frozen_container_goes_on_training():
    model = built("nested")
    base = model.get_layer("middle").get_layer("base")
    model.get_layer("middle").trainable = False
    base.get_layer("dense").trainable = True  # Keras trains it, whatever the containers say
    changes = tfbn.freeze(model, "head")
    assert [(c.path, c.flag) for c in changes] == [("head", "trainable")]
    trained = {v.path for v in model.trainable_variables}
    assert {v.path for v in base.get_layer("dense").weights} <= trained
    assert not {v.path for v in base.get_layer("bn").weights} & trained


class Block(L.Layer):
    """A container that has a variable itself."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = L.Dense(6, name="inner")

    def build(self, shape):
        self.shift = self.add_weight(shape=(6,), name="shift")
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x) + self.shift


@pytest.mark.parametrize(
    ("steps", "trained"),
    [
        ([(tfbn.freeze, "inner")], {"shift"}),
        ([(tfbn.freeze, "block")], set()),
        ([(tfbn.freeze, "block"), (tfbn.unfreeze, "inner")], {"kernel", "bias"}),
        ([(tfbn.freeze, None), (tfbn.unfreeze, "block")], {"shift", "kernel", "bias"}),
    ],
)
def test_variables_of_a_container_itself(steps, trained):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, L.Dense(2, name="head")(Block(name="block")(inputs)))
    head = {id(v) for v in model.get_layer("head").weights}
    for step, pattern in steps:
        step(model, pattern)
    assert {v.name for v in model.trainable_variables if id(v) not in head} == trained


class Shifted(keras.Model):
    """A subclassed model with a variable of its own."""

    def __init__(self):
        super().__init__()
        self.dense = L.Dense(2, name="dense")
        self.shift = self.add_weight(shape=(2,), name="shift")

    def call(self, x):
        return self.dense(x) + self.shift


def test_freezing_everything_includes_the_models_own_variables():
    model = Shifted()
    model(np.zeros((1, 6), "float32"))
    tfbn.freeze(model)
    assert model.trainable_variables == []
    tfbn.unfreeze(model, "dense")
    assert {v.name for v in model.trainable_variables} == {"kernel", "bias"}


@keras.saving.register_keras_serializable(package="tests")
class TheirNormalization(L.BatchNormalization):
    """A class that somebody else derived."""

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training, mask=mask) + 1.0


def test_classes_by_others_keep_their_class_and_are_named(rng):
    inputs = keras.Input((6,))
    x = L.BatchNormalization(name="bn")(TheirNormalization(name="theirs")(inputs))
    model = keras.Model(inputs, L.Dense(2, name="head")(x))
    data = np.float32(rng.normal(1, 2, (5, 6)))
    outputs = model.predict(data, verbose=0)
    with pytest.warns(UserWarning, match="Left alone: 1 layer of classes derived.*: theirs") as caught:
        tfbn.freeze(model)
    assert caught[0].filename == __file__
    theirs = model.get_layer("theirs")
    assert (type(theirs), theirs.trainable) == (TheirNormalization, False)
    assert type(model.get_layer("bn")) is BatchNormalization
    np.testing.assert_array_equal(model.predict(data, verbose=0), outputs)
    tfbn.freeze(model, training=None)  # sets `trainable` alone: nothing to warn of


def test_trainable_true_sets_only_the_batch_normalization():
    model = built("functional")
    tfbn.freeze(model, training=False, trainable=True)
    assert step(model) == EVERYTHING - names("bn", "block_bn", of=STATISTICS)


def test_training_none_needs_no_conversion():
    model = built("functional")
    tfbn.freeze(model, training=None)
    assert type(model.get_layer("bn")) is keras.layers.BatchNormalization


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: tfbn.freeze(m, "dens"),
            "Expected `layers` to match a layer .*dense.*Received: layers='dens'",
        ),
        (lambda m: tfbn.freeze(m, ["dense", "nothing*"]), "layers='nothing\\*'"),
        (lambda m: tfbn.freeze(m, up_to="blok_bn"), "Expected `up_to` .*block_bn"),
        (lambda m: tfbn.freeze(m, []), "at least one layer"),
        (lambda m: tfbn.freeze(m, training="no"), "Expected `training` to be True, False or None"),
        (lambda m: tfbn.freeze(m, trainable=None), "Expected `trainable` to be True or False"),
        (lambda m: tfbn.freeze(m, [1]), "Received: layers=1"),
    ],
)
def test_bad_input_changes_nothing(call, message):
    model = built("functional")
    with pytest.raises(ValueError, match=message):
        call(model)
    assert all(layer.trainable for layer in model.layers)
    assert not any(isinstance(layer, BatchNormalization) for layer in model.layers)


def test_a_network_of_applications(rng):
    model = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), classes=3)
    changes = tfbn.freeze(model, up_to="block_4_add", training=False)
    frozen = [layer for layer in model.layers if not layer.trainable and layer.weights]
    assert 0 < len(frozen) < len([layer for layer in model.layers if layer.weights])
    assert len([c for c in changes if c.flag == "trainable"]) == len(frozen)
    before = {v.path: v.numpy().copy() for layer in frozen for v in layer.weights}
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)  # one step: not worth a trace
    model.fit(rng.normal(size=(4, 32, 32, 3)), np.array([0, 1, 2, 0]), verbose=0)
    for layer in frozen:
        for v in layer.weights:
            np.testing.assert_array_equal(v.numpy(), before[v.path])


def test_a_compiled_model_inside_is_named():
    """As a GAN's discriminator: frozen there too, and it says so; unfrozen, each step trains its own."""
    judge = keras.Sequential([keras.Input((6,)), L.Dense(1, name="judge_out")], name="judge")
    judge.compile("adam", "mse")
    maker = keras.Sequential([keras.Input((6,)), L.Dense(6, name="maker_out")], name="maker")
    both = keras.Sequential([keras.Input((6,)), maker, judge])
    both.compile("adam", "mse")
    x, y = np.ones((4, 6), "float32"), np.zeros((4, 1), "float32")

    def moved(model):
        before = [np.array(v, copy=True) for v in both.weights]
        model.train_on_batch(x, y)
        return {
            v.path.split("/")[-2]
            for v, old in zip(both.weights, before, strict=True)
            if np.any(np.array(v, copy=True) != old)
        }

    for _ in range(2):
        with pytest.warns(UserWarning, match="judge: compiled on its own"):
            tfbn.freeze(both, "judge")
        assert moved(both) == {"maker_out"}
        tfbn.unfreeze(both, "judge")
        assert moved(judge) == {"judge_out"}
    for optimizer in (judge.optimizer, both.optimizer):
        momentum = optimizer._momentums[0]
        assert int(optimizer.iterations) == 2
        assert np.any(np.array(momentum, copy=True))
    assert "apply" not in vars(judge.optimizer)  # it went on, as if it had trained all the time


def _adapted(kind):
    """A model with a layer `adapted` of which one variable does not train."""
    layer = {
        "einsum": lambda: L.EinsumDense("ab,bc->ac", 4, bias_axes="c", name="adapted"),
        "embedding": lambda: L.Embedding(9, 4, name="adapted"),
    }.get(kind, lambda: L.Dense(4, name="adapted"))()
    inputs = keras.Input((4,), dtype="int32" if kind == "embedding" else "float32")
    first = keras.Sequential([inputs, layer], name="in") if kind == "nested" else layer
    model = keras.Sequential([inputs, first, L.BatchNormalization(name="bn"), L.Dense(1, name="head")])
    if kind == "switched off":
        layer.kernel.trainable = False
        return model, layer, [layer.kernel]
    layer.enable_lora(2)
    return model, layer, [v for v in layer.variables if v.name in ("kernel", "embeddings")]


@pytest.mark.parametrize("kind", ["dense", "einsum", "embedding", "switched off", "nested"])
@pytest.mark.parametrize("pattern", ["*adapted", "*"])
def test_a_variable_that_was_off_on_its_own_stays_off(kind, pattern, rng):
    """Keras's own setter would train a LoRA's kernel after freezing and unfreezing."""
    model, layer, off = _adapted(kind)
    x = rng.integers(0, 9, (8, 4)) if kind == "embedding" else rng.normal(size=(8, 4))
    y = rng.normal(size=(8, *model.output_shape[1:]))
    model.compile("sgd", "mse", run_eagerly=True)
    model.train_on_batch(x, y)
    for _ in range(2):
        tfbn.freeze(model, pattern)
        assert not any(v.trainable for v in layer.variables)
        tfbn.unfreeze(model, pattern)
        assert [v for v in layer.variables if not v.trainable] == off
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in layer.variables]
    model.train_on_batch(x, y)
    moved = {
        v.name: bool(np.any(keras.ops.convert_to_numpy(v) != then))
        for v, then in zip(layer.variables, before, strict=True)
    }
    assert not any(moved[v.name] for v in off)
    assert any(moved.values())
