"""What was set survives saving, loading and cloning, or a warning says that it will not."""

import json
import warnings

import keras
import numpy as np
import pytest

import tfbn
from tfbn.layers.modes import of_layer

L = keras.layers


@keras.saving.register_keras_serializable("tests_modes")
class Block(L.Layer):
    """Makes its layers in its constructor; Keras numbers those without a name."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.bn, self.late = L.Dense(6), L.BatchNormalization(), L.BatchNormalization()

    def build(self, shape):
        self.dense.build(shape)
        self.bn.build((shape[0], 6)), self.late.build((shape[0], 6))
        self.built = True

    def call(self, x, training=None):
        return self.late(self.bn(self.dense(x), training=training), training=training)


@keras.saving.register_keras_serializable("tests_modes")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.block, self.head = Block(), L.Dense(2)

    def build(self, shape):
        self.block.build(shape), self.head.build((shape[0], 6))
        self.built = True

    def call(self, x, training=None):
        return self.head(self.block(x, training=training))


@keras.saving.register_keras_serializable("tests_modes")
class NamesItsParts(keras.Model):
    """Names what it holds after itself, on two levels, as KerasHub's backbones do."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem, self.more = Block(name=f"{self.name}_stem"), Subclassed(name=f"{self.name}_more")
        self.more.block.bn.name = f"{self.name}_more_bn"

    def build(self, shape):
        self.stem.build(shape), self.more.build((shape[0], 6))
        self.built = True

    def call(self, x, training=None):
        return self.more(self.stem(x, training=training), training=training)


def names_its_parts():
    model = NamesItsParts()
    model(np.zeros((1, 5), "float32"))
    return model


def functional():
    inputs = keras.Input((5,))
    x = Block()(Block(name="first")(inputs))
    return keras.Model(inputs, L.Dense(2, name="head")(L.BatchNormalization(name="own")(x)))


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 5), "float32"))
    return model


def set_all_kinds(model):
    """A mode of its own on each layer, by the order of the layers."""
    norms = [named.layer for named in tfbn.traversal.batch_normalizations(model)]
    paths = [named.path for named in tfbn.traversal.batch_normalizations(model)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tfbn.freeze(model, paths[0], training=True)
        tfbn.freeze(model, paths[1], training=False, update_statistics=True, trainable=True)
    norms[0].batch_statistics_in_inference = True
    return [of_layer(norm, call) for norm in norms for call in (True, False)]


def modes_in(model):
    norms = [named.layer for named in tfbn.traversal.batch_normalizations(model)]
    return [of_layer(norm, call) for norm in norms for call in (True, False)]


def saved_and_loaded(model, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


def cloned(model, folder):
    return keras.models.clone_model(model)


@pytest.mark.parametrize("again", [saved_and_loaded, cloned])
@pytest.mark.parametrize("make", [functional, subclassed, names_its_parts])
def test_modes_are_put_back_after_loading_and_cloning(make, again, tmp_path):
    model = make()
    wanted = set_all_kinds(model)
    kept = json.loads(json.dumps(tfbn.modes_of(model)))
    trained = [v.path.split("/")[-1] for v in model.trainable_variables]
    # clone_model takes no subclassed one
    loaded = make() if make is not functional and again is cloned else again(model, tmp_path)
    assert modes_in(loaded) != wanted  # otherwise this shows nothing
    assert tfbn.set_modes(loaded, kept) is loaded
    assert modes_in(loaded) == wanted
    assert [v.path.split("/")[-1] for v in loaded.trainable_variables] == trained
    assert list(tfbn.modes_of(loaded).values()) == list(kept.values())
    assert modes_in(model) == wanted  # the original is as it was


def test_a_fresh_model_does_in_fit_what_the_first_one_did(rng):
    x, y = rng.normal(3, 2, (16, 5)).astype("float32"), np.zeros((16, 2))
    models = functional(), functional()
    set_all_kinds(models[0])
    models[1].set_weights(models[0].get_weights())
    models[1].compile("sgd", "mse")
    models[1].fit(x, y, verbose=0)  # traced with other modes
    models[1].set_weights(models[0].get_weights())
    tfbn.set_modes(models[1], tfbn.modes_of(models[0]))
    models[0].compile("sgd", "mse")
    for model in models:
        model.fit(x, y, shuffle=False, verbose=0)
    for one, other in zip(models[0].weights, models[1].weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_set_modes_takes_away_what_the_value_does_not_have():
    model = functional()
    kept = tfbn.modes_of(model)
    set_all_kinds(model)
    tfbn.set_modes(model, kept)
    assert tfbn.modes_of(model) == kept
    assert type(model.get_layer("first").bn) is L.BatchNormalization


def test_a_part_of_the_value_sets_that_part():
    model = functional()
    tfbn.set_modes(model, {"own": {"class": "tfbn>BatchNormalization", "trainable": True, "training": False}})
    assert str(of_layer(model.get_layer("own"))) == "moving statistics, held, gamma and beta train"
    assert of_layer(model.get_layer("first").bn).updates


@pytest.mark.parametrize("how", ["LoRA", "switched off"])
def test_a_variable_that_was_off_on_its_own_stays_off(how):
    model = keras.Sequential([keras.Input((3,)), L.Dense(2, name="head"), L.BatchNormalization(name="bn")])
    layer = model.get_layer("head")
    if how == "LoRA":
        layer.enable_lora(1)
    else:
        layer.bias.trainable = False
    kept, off = tfbn.modes_of(model), [v.path for v in layer.variables if not v.trainable]
    tfbn.freeze(model, "head")
    assert not layer.trainable_variables
    tfbn.set_modes(model, kept)
    assert [v.path for v in layer.variables if not v.trainable] == off != []
    tfbn.set_modes(model, {".": {"class": "Sequential", "trainable": False}})
    tfbn.set_modes(model, kept)
    assert [v.path for v in layer.variables if not v.trainable] == off


GOOD = {"class": "tfbn>BatchNormalization", "trainable": False, "training": True}
BAD = {
    "near name": ({"owm": GOOD}, "did you mean own"),
    "another class": ({"head": GOOD}, "to be that of the layer, Dense"),
    "no dict": ([GOOD], "to be a dict by path"),
    "no mode": ({"own": "frozen"}, "to be a dict with class and trainable"),
    "unknown key": ({"own": {**GOOD, "trainin": True}}, "did you mean training"),
    "no flag": ({"own": {**GOOD, "training": "no"}}, "to be True, False or None"),
    "a number for a path": ({3: GOOD}, "to be a dict by path, which is text. Received: modes=3"),
    "a number for a class": ({"own": {**GOOD, "class": 3}}, "to be text. Received: .*=3"),
    "a flag of another kind": (
        {"head": {"class": "Dense", "trainable": True, "training": False}},
        "since a Dense has no other flags",
    ),
    "no truth": ({"own": {**GOOD, "trainable": None}}, "to be True or False"),
}


@pytest.mark.parametrize("bad", BAD)
def test_all_or_nothing(bad):
    model = functional()
    before = tfbn.modes_of(model)
    value, message = BAD[bad]
    if isinstance(value, dict):
        value = {"first": {"class": "tests_modes>Block", "trainable": False}, **value}
    with pytest.raises(ValueError, match=message):
        tfbn.set_modes(model, value)
    assert tfbn.modes_of(model) == before


def test_freeze_and_convert_warn_of_what_a_file_will_not_have():
    model = functional()
    with pytest.warns(UserWarning, match=r"on 3 layers .* Block 'first'.*tfbn\.modes_of.*tfbn\.set_modes"):
        tfbn.freeze(model, "first")
    with pytest.warns(
        UserWarning, match="on 4 layers that are made in constructors, by Block 'first', Block"
    ):
        tfbn.convert(model, training=True)
    assert any("tfbn.set_modes" in warning for warning in tfbn.audit(model).warnings)


@pytest.mark.parametrize("call", [lambda m: tfbn.freeze(m, "own"), tfbn.convert, tfbn.revert, tfbn.unfreeze])
def test_nothing_is_said_where_nothing_is_lost(call, recwarn):
    call(functional())
    assert not recwarn.list


def test_a_wrapper_that_saves_its_layer_loses_nothing(recwarn):
    model = keras.Sequential([keras.Input((4, 3)), L.TimeDistributed(L.BatchNormalization())])
    tfbn.freeze(model, training=True)
    assert not recwarn.list
    loaded = keras.models.model_from_json(model.to_json())
    assert modes_in(loaded) == modes_in(model)


def test_saving_inside_batch_statistics_is_warned_of(tmp_path):
    model = functional()
    with tfbn.batch_statistics(model), pytest.warns(UserWarning, match="batch_statistics_in_inference=True"):
        model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.save(tmp_path / "again.keras")


def test_freezing_a_head_too_is_said():
    model = functional()
    with (
        pytest.warns(UserWarning, match="made in constructors"),
        pytest.warns(UserWarning, match=r"nothing is left to train.* up_to='own' leaves 'head'"),
    ):
        tfbn.freeze(model)


def test_a_base_without_a_head_may_be_frozen_as_a_whole(recwarn):
    tfbn.freeze(tfbn.models.build("resnet8", width=4, include_top=False, pooling="avg"))
    assert not recwarn.list


@pytest.mark.parametrize("inside_a_task", [False, True])
def test_a_preset_of_keras_hub(inside_a_task, tmp_path):
    hub = pytest.importorskip("keras_hub")

    def backbone():
        return hub.models.HGNetV2Backbone(
            depths=[1, 1],
            embedding_size=8,
            hidden_sizes=[8, 16],
            stem_channels=[3, 8, 8],
            hidden_act="relu",
            use_learnable_affine_block=False,
            stackwise_stage_filters=[(8, 8, 16, 1, 1, 3), (16, 8, 32, 1, 1, 3)],
            apply_downsample=[False, True],
            use_lightweight_conv_block=[False, False],
            image_shape=(32, 32, 3),
        )

    backbone()  # takes the name without a number
    model = backbone()
    if inside_a_task:
        model = hub.models.HGNetV2ImageClassifier(backbone=model, preprocessor=None, num_classes=3)
    wanted = set_all_kinds(model)
    kept = json.loads(json.dumps(tfbn.modes_of(model)))
    model.save_to_preset(str(tmp_path))
    loaded = (hub.models.ImageClassifier if inside_a_task else hub.models.Backbone).from_preset(str(tmp_path))
    assert modes_in(loaded) != wanted
    tfbn.set_modes(loaded, kept)
    assert modes_in(loaded) == wanted
