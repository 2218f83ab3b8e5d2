"""Weights from files and packaged weights."""

import keras
import numpy as np
import pytest

from tfbn import models
from tfbn.models import weights as weights_module


def build(**arguments):
    settings = {"width": 2, "input_shape": (9, 9, 1), "classes": 3}
    return models.resnet_cifar(8, **{**settings, **arguments})


@pytest.fixture
def source(rng):
    model = build()
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def assert_same_body(model, source):
    for layer in model.layers:
        if layer.weights and not layer.name.startswith("head"):
            for new, old in zip(layer.get_weights(), source.get_layer(layer.name).get_weights(), strict=True):
                assert (new == old).all()


@pytest.mark.parametrize("kind", ["network.weights.h5", "network.keras"])
@pytest.mark.parametrize("as_string", [True, False])
def test_the_same_network_gets_all_weights(kind, as_string, source, tmp_path):
    path = tmp_path / kind
    (source.save if kind.endswith(".keras") else source.save_weights)(path)
    model = build(weights=str(path) if as_string else path)
    assert_same_body(model, source)
    for new, old in zip(model.weights, source.weights, strict=True):
        assert (np.array(new) == np.array(old)).all()


@pytest.mark.parametrize("kind", ["network.weights.h5", "network.keras"])
def test_other_classes_keep_a_fresh_head(kind, source, tmp_path):
    path = tmp_path / kind
    (source.save if kind.endswith(".keras") else source.save_weights)(path)
    model = build(weights=path, classes=5)
    assert_same_body(model, source)
    kernel, bias = model.get_layer("head_dense").get_weights()
    assert kernel.shape == (8, 5)
    assert kernel.std() > 0
    assert (bias == 0).all()
    headless = build(weights=path, include_top=False, pooling="avg")
    assert_same_body(headless, source)


def test_a_file_is_read_a_second_time_only_for_a_head(source, tmp_path, monkeypatch):
    source.save_weights(tmp_path / "network.weights.h5")
    read, load = [], keras.Model.load_weights
    monkeypatch.setattr(keras.Model, "load_weights", lambda *args: read.append(args) or load(*args))
    assert_same_body(build(weights=tmp_path / "network.weights.h5", include_top=False, pooling="avg"), source)
    assert len(read) == 1
    model = build(weights=tmp_path / "network.weights.h5")
    assert len(read) == 3
    assert (
        model.get_layer("head_dense").kernel.numpy() == source.get_layer("head_dense").kernel.numpy()
    ).all()


def test_file_without_a_head_leaves_the_head_fresh(tmp_path, rng):
    source = build(include_top=False)
    for weight in source.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    source.save_weights(tmp_path / "body.weights.h5")
    model = build(weights=tmp_path / "body.weights.h5")
    assert_same_body(model, source)
    assert (model.get_layer("head_dense").get_weights()[1] == 0).all()


def test_flags_go_with_weights(source, tmp_path):
    source.save_weights(tmp_path / "n.weights.h5")
    model = build(weights=tmp_path / "n.weights.h5", frozen="stage1", training=False, trainable=False)
    assert_same_body(model, source)
    assert model.get_layer("stage1_block1_bn1").training is False
    assert model.get_layer("stage2_block1_bn1").training is None


def test_packaged_weights_by_name_and_seed(monkeypatch, source, tmp_path):
    monkeypatch.setattr(weights_module, "PACKAGED", tmp_path)
    source.save_weights(tmp_path / "resnet8_mnist5k_0.weights.h5")
    other = build()
    other.save_weights(tmp_path / "resnet8_mnist5k_3.weights.h5")
    assert list(weights_module.packaged("resnet8")) == ["mnist5k", "mnist5k-0", "mnist5k-3"]
    assert_same_body(build(weights="mnist5k"), source)
    assert_same_body(build(weights="mnist5k-0"), source)
    assert_same_body(build(weights="mnist5k-3"), other)
    message = (
        r"packaged weights one of \['mnist5k', 'mnist5k-0', 'mnist5k-3'\]. Received: weights='mnist5k-1'"
    )
    with pytest.raises(ValueError, match=message):
        build(weights="mnist5k-1")
    with pytest.raises(ValueError, match=r"packaged weights \(there are none for resnet14\)"):
        models.build("resnet14", weights="mnist5k")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("missing.weights.h5", "Expected `weights` to be a file that exists. Received: weights='missing.w"),
        ("folder/net", "Expected `weights` to be a file ending in .weights.h5 or .keras. Received: weights="),
        ("old.h5", "Expected `weights` to be a file ending in .weights.h5 or .keras. Received: weights="),
        ("imagenet", "Expected `weights` to be None, a path ending in .* Received: weights='imagenet'"),
        (["mnist5k"], "Expected `weights` to be None, a path ending in .* Received: weights=.'mnist5k'"),
        (3, "Expected `weights` to be None, a path ending in .* Received: weights=3"),
    ],
)
def test_weights_that_are_not_there(weights, message):
    with pytest.raises(ValueError, match=message):
        build(weights=weights)


@pytest.mark.parametrize(
    "arguments", [{"width": 3}, {"input_shape": (9, 9, 3)}, {"normalization": None}, {"use_bias": True}]
)
def test_weights_of_another_network_are_refused(arguments, source, tmp_path):
    path = tmp_path / "network.weights.h5"
    source.save_weights(path)
    message = r"fit resnet8 with input_shape=\(.* \(stem and stages\)\. Received: .*network\.weights\.h5"
    with pytest.raises(ValueError, match=message):
        build(weights=path, **arguments)


def test_weights_of_another_depth_are_refused(source, tmp_path):
    source.save_weights(tmp_path / "n.weights.h5")
    with pytest.raises(ValueError, match="weights that fit resnet14"):
        models.build("resnet14", width=2, input_shape=(9, 9, 1), weights=tmp_path / "n.weights.h5")
    models.build("resnet14", width=2, input_shape=(9, 9, 1)).save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="weights that fit resnet8"):
        build(weights=tmp_path / "m.weights.h5")


@pytest.mark.parametrize("kind", ["broken.weights.h5", "broken.keras"])
def test_corrupt_file(kind, tmp_path):
    (tmp_path / kind).write_bytes(b"not what it says")
    with pytest.raises(ValueError, match="Expected `weights` to be a file with weights that fit resnet8"):
        build(weights=tmp_path / kind)
