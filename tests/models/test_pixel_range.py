"""The range of pixels that a network's first layers say."""

import types

import keras
import numpy as np
import pytest

from tfbn.models.first_layer import mismatch_in_first_layer
from tfbn.models.pixel_range import PixelRange, given_or_found, pixel_range
from tfbn.utils.validation import InputError

layers = keras.layers
IMAGENET = {"mean": [0.485, 0.456, 0.406], "variance": [0.229**2, 0.224**2, 0.225**2]}


def network(*start, shape=(8, 8, 3)):
    return keras.Sequential([keras.Input(shape), *start, layers.Conv2D(4, 3), layers.BatchNormalization()])


def nested():
    return network(network(layers.Rescaling(1 / 127.5, offset=-1)))


def trained_norm(mean, variance):
    norm = layers.BatchNormalization()
    norm.build((None, 8, 8, 3))
    norm.moving_mean.assign([mean] * 3)
    norm.moving_variance.assign([variance] * 3)
    return norm


def with_function(module):
    inputs = keras.Input((32, 32, 3))
    x = getattr(keras.applications, module).preprocess_input(inputs)
    return keras.Model(inputs, layers.Conv2D(2, 3)(x))


MODELS = {
    "1/255": (lambda: network(layers.Rescaling(1 / 255)), "byte"),
    "to -1..1": (lambda: network(layers.Rescaling(1 / 127.5, offset=-1)), "byte"),
    "0..1 to -1..1": (lambda: network(layers.Rescaling(2.0, offset=-1)), "unit"),
    "-1..1 to 0..1": (lambda: network(layers.Rescaling(0.5, offset=0.5)), "symmetric"),
    "ImageNet's moments": (lambda: network(layers.Normalization(**IMAGENET)), "unit"),
    "moments of bytes": (lambda: network(layers.Normalization(mean=120.0, variance=3600.0)), "byte"),
    "both": (lambda: network(layers.Rescaling(1 / 255), layers.Normalization(**IMAGENET)), "byte"),
    "after padding": (lambda: network(layers.ZeroPadding2D(2), layers.Rescaling(1 / 255)), "byte"),
    "after augmentation": (lambda: network(layers.RandomFlip(), layers.Rescaling(1 / 255)), "byte"),
    "after resizing": (lambda: network(layers.Resizing(16, 16), layers.Rescaling(1 / 255)), "byte"),
    "any size": (lambda: network(layers.Rescaling(1 / 255), shape=(None, None, 3)), "byte"),
    "in a nested network": (nested, "byte"),
    "a BatchNormalization first": (lambda: network(trained_norm(120.0, 3600.0)), "byte"),
    "preprocess_input, caffe": (lambda: with_function("resnet50"), "byte"),
    "preprocess_input, torch": (lambda: with_function("densenet"), "byte"),
    "preprocess_input, tf": (lambda: with_function("mobilenet_v2"), "byte"),
    "nothing": (network, None),
    "padding only": (lambda: network(layers.ZeroPadding2D(2)), None),
    "an untrained BatchNormalization": (lambda: network(layers.BatchNormalization()), None),
}


@pytest.mark.parametrize("name", MODELS)
def test_range(name):
    make, expected = MODELS[name]
    found = pixel_range(make())
    assert (found and found.name) == expected


@pytest.mark.parametrize("name", ["EfficientNetB0", "EfficientNetV2B0", "MobileNetV3Small"])
def test_networks_of_applications_that_scale_themselves(name):
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), include_top=False)
    found = pixel_range(model)
    assert found.name == "byte"
    assert "Rescaling" in found.known_from


def test_a_preprocessor_takes_bytes_and_is_applied():
    model = network()
    model.preprocessor = types.SimpleNamespace(image_converter=lambda images: images / 255 - 0.5)
    found = pixel_range(model)
    assert found.name == "byte"
    np.testing.assert_allclose(found.of(np.array([0.0, 1.0])), [-0.5, 0.5])


def test_values():
    images = np.array([0.0, 0.5, 1.0], "float32")
    assert PixelRange("unit", "").of(images) is images
    np.testing.assert_allclose(PixelRange("byte", "").of(images), [0, 127.5, 255])
    np.testing.assert_allclose(PixelRange("symmetric", "").of(images), [-1, 0, 1])


def test_what_is_given_counts_and_else_it_must_be_given():
    scaling = network(layers.Rescaling(1 / 255))
    assert given_or_found("unit", scaling, "x").name == "unit"
    assert given_or_found("auto", scaling, "x").name == "byte"
    with pytest.raises(InputError, match=r"`pixels` to be given, .* since mine\.keras .* pixels='auto'"):
        given_or_found("auto", network(), "mine.keras")
    with pytest.raises(InputError, match="`pixels` to be one of"):
        given_or_found("bits", network(), "mine.keras")


@pytest.mark.parametrize("scaling", [1.0, 1 / 255])
@pytest.mark.parametrize("fed", ["unit", "byte"])
def test_the_wrong_range_shows_in_the_first_layer(scaling, fed, rng):
    images = np.float32(rng.random((32, 8, 8, 3)))
    model = network(layers.Rescaling(scaling))
    right = "unit" if scaling == 1.0 else "byte"
    assert mismatch_in_first_layer(model, images) is None  # never trained: no reference
    x = np.asarray(keras.Sequential(model.layers[:-1])(PixelRange(right, "").of(images)))
    model.layers[-1].moving_mean.assign(x.mean((0, 1, 2)))
    model.layers[-1].moving_variance.assign(x.var((0, 1, 2)))
    found = mismatch_in_first_layer(model, PixelRange(fed, "").of(images))
    assert (found is None) == (fed == right)
    assert mismatch_in_first_layer(model, PixelRange(right, "").of(0.3 * images + 0.3)) is None
