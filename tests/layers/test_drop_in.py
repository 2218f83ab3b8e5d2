"""With no flag set, the layer is the stock one; with flags set, it is saved with them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfbn.layers import BatchNormalization

Stock = keras.layers.BatchNormalization

SETTINGS = {
    "default": ({}, (6, 5, 5, 3)),
    "dense": ({}, (16, 3)),
    "sequence": ({"momentum": 0.7}, (6, 7, 3)),
    "volume": ({"epsilon": 1e-5}, (3, 2, 4, 3, 3)),
    "axis 1": ({"axis": 1}, (6, 3, 5, 5)),
    "no scale": ({"scale": False}, (6, 5, 5, 3)),
    "no center": ({"center": False}, (6, 5, 5, 3)),
    "neither": ({"center": False, "scale": False}, (6, 5, 5, 3)),
    "one channel": ({}, (6, 5, 5, 1)),
    "one value per channel": ({}, (1, 3)),
    "regularized": ({"gamma_regularizer": "l2", "beta_constraint": "non_neg"}, (6, 5, 5, 3)),
    "float64": ({"dtype": "float64"}, (6, 5, 5, 3)),
    "mixed float16": ({"dtype": "mixed_float16"}, (6, 5, 5, 3)),
    "mixed bfloat16": ({"dtype": "mixed_bfloat16"}, (6, 5, 5, 3)),
    "synchronized": ({"synchronized": True}, (6, 5, 5, 3)),
}
if hasattr(Stock(), "renorm"):  # batch renormalization came with Keras 3.13
    SETTINGS["renorm"] = ({"renorm": True, "renorm_clipping": {"rmax": 1.5, "dmax": 2}}, (6, 5, 5, 3))


def pair(name, **flags):
    arguments, shape = SETTINGS[name]
    layers = [Stock(**arguments), BatchNormalization(**arguments, **flags)]
    rng = np.random.default_rng(3)
    for layer in layers:
        layer.build((None, *shape[1:]))
    for ours, stock in zip(layers[1].weights, layers[0].weights, strict=True):
        value = rng.uniform(0.5, 2, ours.shape)
        ours.assign(value), stock.assign(value)
    return *layers, rng.normal(2, 3, shape)


def gradients(layer, x):
    with tf.GradientTape() as tape:
        outputs = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, "float64") * np.cos(np.arange(np.size(x)).reshape(x.shape)))
    inner = tape.gradient(loss, layer.trainable_variables)
    return [np.array(outputs, "float64"), *(np.array(g, "float64") for g in inner)]


# With `fused=False` the stock layer's own code runs: equal to the bit. The fused operation rounds otherwise.
TOLERANCES = {False: {"rtol": 0, "atol": 0}, None: {"rtol": 2e-4, "atol": 2e-4}}


@pytest.mark.parametrize("fused", [None, False])
@pytest.mark.parametrize("name", SETTINGS)
def test_unset_flags_equal_the_stock_layer(name, fused):
    stock, ours, x = pair(name, fused=fused)
    tolerance = TOLERANCES[fused]
    if "float16" in str(SETTINGS[name][0].get("dtype")) and fused is None:
        tolerance = {"rtol": 0.01, "atol": 0.01}
    for a, b in zip(gradients(ours, x), gradients(stock, x), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)
    for a, b in zip(ours.weights, stock.weights, strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), **TOLERANCES[fused], err_msg=a.name)
    np.testing.assert_allclose(np.float64(ours(x)), np.float64(stock(x)), **tolerance)


@pytest.mark.parametrize("name", SETTINGS)
def test_config_of_unset_flags_is_the_stock_one(name):
    stock, ours, _ = pair(name)
    config = ours.get_config()
    assert config == {**stock.get_config(), "name": config["name"]}
    assert Stock.from_config(config).get_config() == config


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("update", [True, False])
def test_masked_statistics(training, update, rng):
    x, mask = np.float32(rng.normal(2, 3, (6, 7, 3))), rng.random((6, 7)) < 0.6
    layer = BatchNormalization(training=training, update_statistics=update, trainable=False, momentum=0.5)
    outputs = np.array(layer(x, training=True, mask=mask))
    mean, variance = x[mask].mean(0), x[mask].var(0)
    used = (mean, variance) if training else (0, 1)
    np.testing.assert_allclose(outputs, (x - used[0]) / np.sqrt(used[1] + 1e-3), rtol=1e-4, atol=1e-5)
    moved = (mean / 2, (1 + variance) / 2) if update else (np.zeros(3), np.ones(3))
    np.testing.assert_allclose(layer.moving_mean, moved[0], rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, moved[1], rtol=1e-5)


@pytest.mark.skipif("renorm" not in SETTINGS, reason="this Keras has no batch renormalization")
@pytest.mark.parametrize("update", [True, False])
def test_renorm_of_a_frozen_layer_corrects_as_stock_and_updates_as_told(update):
    stock, ours, x = pair("renorm", training=True, update_statistics=update)
    ours.trainable = False
    before = {v.name: v.numpy().copy() for v in ours.weights}
    np.testing.assert_array_equal(np.array(ours(x, training=True)), np.array(stock(x, training=True)))
    for a, b in zip(ours.non_trainable_weights, ours.weights, strict=True):
        assert a is b
    reference = {v.name: v.numpy() for v in stock.weights} if update else before
    for variable in ours.weights:
        np.testing.assert_array_equal(variable.numpy(), reference[variable.name])


@pytest.mark.parametrize(
    "flags",
    [
        {"training": True},
        {"training": False, "update_statistics": True},
        {"update_statistics": False, "fused": False, "trainable": False},
        {"training": True, "fused": True, "trainable": False},
    ],
)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_flags_survive_saving(flags, suffix, tmp_path, rng):
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, BatchNormalization(name="bn", **flags)(inputs))
    model(np.float32(rng.normal(2, 3, (8, 4, 4, 3))), training=True)
    model.save(tmp_path / f"model.{suffix}")
    loaded = keras.models.load_model(tmp_path / f"model.{suffix}")
    layer, copy = model.get_layer("bn"), loaded.get_layer("bn")
    assert type(copy) is BatchNormalization
    assert copy.get_config() == layer.get_config()
    assert copy.mode == layer.mode
    for a, b in zip(copy.weights, layer.weights, strict=True):
        np.testing.assert_array_equal(np.array(a), np.array(b))


def test_flags_survive_cloning_and_can_be_switched_back():
    layer = BatchNormalization(training=True, update_statistics=False)
    copy = BatchNormalization.from_config(layer.get_config())
    assert (copy.training, copy.update_statistics) == (True, False)
    copy.training = copy.update_statistics = None
    assert copy.mode == BatchNormalization().mode


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"training": 1}, "Expected `training` to be True, False or None. Received: training=1"),
        ({"update_statistics": "no"}, "Expected `update_statistics` to be True, False or None."),
        ({"fused": 0}, "Expected `fused` to be True, False or None. Received: fused=0"),
        ({"momentum": 1.5}, r"momentum.*1\.5"),
        ({"momentum": float("nan")}, "momentum.*nan"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BatchNormalization(**arguments)


@pytest.mark.parametrize(
    ("arguments", "shape", "reason"),
    [
        ({"axis": 1}, (2, 3, 4, 4), "the axis is not the last one"),
        ({"dtype": "float64"}, (2, 3), "the inputs are float64"),
        ({"synchronized": True}, (2, 3), "synchronized over replicas"),
        ({"epsilon": 1e-6}, (2, 3), "epsilon is below"),
    ],
)
def test_fused_that_cannot_serve_says_why(arguments, shape, reason, rng):
    layer = BatchNormalization(fused=True, name="bn", **arguments)
    with pytest.raises(ValueError, match=f"(?s)fused=True.*{reason}.*name='bn'"):
        layer(rng.normal(size=shape), training=True)
