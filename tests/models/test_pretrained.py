"""pretrained: keras.applications with the flags of our builders."""

import keras
import numpy as np
import pytest

import tfbn
from tests import applications
from tfbn.graph.traversal import batch_normalizations
from tfbn.models import application_names, preprocess_input, pretrained

SMALL = {"weights": None, "input_shape": (32, 32, 3), "classes": 3}


def test_every_network_with_batch_normalization_is_known():
    assert set(application_names()) == set(applications.SIZES)


@pytest.mark.parametrize(
    ("name", "frozen"),
    [
        ("MobileNetV2", None),
        ("MobileNetV2", "block_1*"),  # and block_10 to block_16
        ("EfficientNetB0", None),
        ("EfficientNetB0", "block2*"),
    ],
)
def test_flags_are_on_the_frozen_part_and_nowhere_else(name, frozen):
    model = pretrained(
        name, **SMALL, training=False, update_statistics=True, trainable=False, frozen=frozen, momentum=0.7
    )
    chosen = [layer for layer in model.layers if frozen is None or layer.name.startswith(frozen[:-1])]
    for layer in model.layers:
        is_head = layer is model.layers[-1]
        inside = layer in chosen and not is_head
        if layer.weights:
            assert layer.trainable == (not inside), layer.name
        if isinstance(layer, tfbn.BatchNormalization):
            assert (layer.training, layer.update_statistics) == ((False, True) if inside else (None, None))
            assert layer.momentum == 0.7


def test_one_step_moves_what_the_flags_say(rng):
    model = pretrained("MobileNetV2", **SMALL, training=True, trainable=False)
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    before = {v.path: v.numpy().copy() for v in model.weights}
    model.fit(rng.normal(size=(6, 32, 32, 3)), np.arange(6) % 3, verbose=0)
    moved = {v.path for v in model.weights if np.any(v.numpy() != before[v.path])}
    statistics = {
        v.path for s in batch_normalizations(model) for v in (s.layer.moving_mean, s.layer.moving_variance)
    }
    assert moved == statistics | {v.path for v in model.layers[-1].weights}


@pytest.mark.parametrize("suffix", ["weights.h5", pytest.param("keras", marks=pytest.mark.long)])
def test_weights_from_a_file(suffix, tmp_path):
    theirs = applications.build("MobileNetV2")
    path = tmp_path / f"mobilenet.{suffix}"
    (theirs.save_weights if suffix == "weights.h5" else theirs.save)(path)
    ours = pretrained("MobileNetV2", weights=path, input_shape=(32, 32, 3), include_top=False, pooling="avg")
    x = applications.images("MobileNetV2")
    np.testing.assert_array_equal(ours(x, training=False), theirs(x, training=False))


@pytest.mark.parametrize("name", ["MobileNetV2", pytest.param("EfficientNetB0", marks=pytest.mark.long)])
def test_preprocessing_travels_and_the_model_saves(name, tmp_path, rng):
    model = pretrained(name, **SMALL)
    images = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    module = {
        "MobileNetV2": keras.applications.mobilenet_v2,
        "EfficientNetB0": keras.applications.efficientnet,
    }[name]
    expected = module.preprocess_input(images.copy())
    np.testing.assert_array_equal(model.preprocess_input(images.copy()), expected)
    np.testing.assert_array_equal(preprocess_input(name)(images.copy()), expected)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images, training=False), model(images, training=False))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("VGG16", {}, "a network with BatchNormalization, which this one lacks. Received: name='VGG16'"),
        ("MobileNetV5", {}, "did you mean MobileNetV2"),
        ("MobileNetV2", {"weights": "nowhere.weights.h5"}, "to be a file that exists"),
        ("MobileNetV2", {"weights": "resnet"}, "'imagenet', None or a file ending in"),
        ("MobileNetV2", {**SMALL, "frozen": "blok_1"}, "Expected `layers` to match a layer .*did you mean"),
        ("MobileNetV2", {**SMALL, "training": 1}, "Expected `training`"),
        ("MobileNetV2", {"weights": None, "input_shape": (8, 8, 3)}, "Input size must be at least"),
    ],
)
def test_bad_input(name, arguments, message):
    with pytest.raises(tfbn.utils.validation.InputError, match=message):
        pretrained(name, **arguments)


def test_a_file_that_does_not_fit(tmp_path):
    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    with pytest.raises(tfbn.utils.validation.InputError, match="weights that fit mobilenet"):
        pretrained("MobileNetV2", weights=path, input_shape=(32, 32, 3))


def test_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch, tmp_path):
    def no_network(*args, **kwargs):
        raise OSError("URL fetch failure on somewhere: no network")

    monkeypatch.setattr("keras.src.applications.mobilenet_v2.file_utils.get_file", no_network)
    with pytest.raises(
        tfbn.utils.validation.InputError, match=r"could not download them to .*A file or None works"
    ):
        pretrained("MobileNetV2", input_shape=(96, 96, 3))
