"""Networks by name, and what is said about names and arguments that are wrong."""

import inspect

import keras
import pytest

from tfbn import models


@pytest.mark.parametrize("name", ["resnet8", "plain14", "resnet26", "ResNet18", "Plain18", "ResNet50"])
def test_build_gives_the_network_of_that_name(name):
    model = models.build(name, width=2)
    assert model.name == name
    assert any(isinstance(layer, keras.layers.Add) for layer in model.layers) == name.lower().startswith("r")
    assert "stage4_block1_conv1" in [layer.name for layer in model.layers] or name[0].islower()
    assert models.build(name, width=2, name="mine").name == "mine"


def test_every_listed_name_is_known(monkeypatch):
    from tfbn.models import cifar, imagenet

    built = []
    for module in (cifar, imagenet):
        monkeypatch.setattr(
            module, "build_network", lambda architecture, arguments: built.append(architecture)
        )
    for name in models.names():
        models.build(name)
    assert [architecture.name for architecture in built] == models.names()
    assert len(set(models.names())) == len(models.names())
    assert {"resnet20", "resnet1202", "plain56", "ResNet152", "Plain34"} <= set(models.names())


def test_forms_that_share_a_depth_are_told_apart():
    assert models.build("resnet50_cifar", width=1).count_params() < 10_000
    for name, other in (("resnet50", "ResNet50"), ("plain152", "Plain152")):
        message = (
            rf"to be '{other}' \(ImageNet form\), '{name}_cifar' \(CIFAR form\). Received: name='{name}'"
        )
        with pytest.raises(ValueError, match=message):
            models.build(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet21", r"Expected `depth` to be 6n\+2 \(nearest: 20 and 26\). Received: depth=21"),
        ("plain57", r"Expected `depth` to be 6n\+2 \(nearest: 56 and 62\). Received: depth=57"),
        ("resnet2", r"Expected `depth` to be 6n\+2 \(nearest: 8\). Received: depth=2"),
        ("resnet0", "Expected `depth` to be a whole number of at least 1. Received: depth=0"),
        ("ResNet56", r"Expected `depth` to be one of \[18, 34, 50, 101, 152\]. Received: depth=56"),
        ("resnet18", r"Expected `name` to be 'ResNet18' \(ImageNet form\). Received: name='resnet18'"),
        ("resnt20", "Expected `name` to be a network .did you mean .*resnet20.*Received: name='resnt20'"),
        ("vgg16", "Expected `name` to be a network .there are: "),
        ("ResNet50_cifar", "Expected `name` to be a network .did you mean .*ResNet50"),
        ("resnet20 ", "did you mean .*resnet20"),
        (20, "Expected `name` to be a network .*Received: name=20"),
        (None, "Expected `name` to be a network .*Received: name=None"),
    ],
)
def test_bad_names(name, message):
    with pytest.raises(ValueError, match=message):
        models.build(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 20.0}, "`depth` to be a whole number of at least 1. Received: depth=20.0"),
        ({"depth": True}, "`depth` to be a whole number"),
        ({"classes": 0}, "Expected `classes` to be a whole number of at least 1. Received: classes=0"),
        ({"width": -4}, "Expected `width` to be a whole number of at least 1. Received: width=-4"),
        ({"pooling": "mean"}, "Expected `pooling` to be 'avg', 'max' or None. Received: pooling='mean'"),
        ({"normalization": "group"}, "Expected `normalization` to be 'batch' or None. Received: .*'group'"),
        ({"order": "bn-conv-relu"}, "Expected `order` to be one of .* Received: order='bn-conv-relu'"),
        ({"momentum": 1.01}, r"Expected `momentum` to be a number in \[0, 1\]. Received: momentum=1.01"),
        ({"momentum": float("nan")}, "Expected `momentum` to be a number"),
        ({"epsilon": "small"}, "Expected `epsilon` to be a number"),
        ({"include_top": 1}, "Expected `include_top` to be True or False. Received: include_top=1"),
        ({"input_shape": (32, 32)}, r"Expected `input_shape` to be \(height, width, channels\)"),
        ({"input_shape": (32, 32, None)}, "Expected `input_shape` to be"),
        ({"input_shape": (0, 32, 3)}, "Expected `input_shape` to be"),
        ({"input_shape": (32.0, 32, 3)}, "Expected `input_shape` to be"),
        ({"input_shape": 32}, "Expected `input_shape` to be .* Received: input_shape=32"),
        ({"classifier_activation": "sofmax"}, "Expected `classifier_activation` to be an activation"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.resnet_cifar(**{"depth": 8, **arguments})


def test_unknown_argument():
    with pytest.raises(TypeError, match="momntum"):
        models.resnet_cifar(8, momntum=0.9)


def test_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match=r"to be 'channels_last'. Received: .*'channels_first'"):
            models.resnet_cifar(8)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_signatures_show_the_arguments():
    for name in ("resnet_cifar", "plain_cifar", "resnet_imagenet", "plain_imagenet", "ResNet50"):
        shown = inspect.signature(getattr(models, name)).parameters
        assert {"weights", "training", "trainable", "frozen", "momentum"} <= set(shown)
        assert "arguments" not in shown
        assert ("depth" in shown) == ("_" in name)
