"""Parameter counts, shapes, orders and saving of whole networks."""

import keras
import numpy as np
import pytest

from tfbn import models
from tfbn.graph.traversal import batch_normalizations


@pytest.fixture(scope="module")
def narrow_resnet50():
    """With the default arguments; for tests that only look at it."""
    return models.ResNet50(width=2)


def parameters(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize(
    ("name", "exact", "published"),
    [
        ("resnet8", 75_290, "0.08M"),
        ("resnet20", 269_722, "0.27M"),
        ("resnet56", 853_018, "0.85M"),
        pytest.param("resnet110", 1_727_962, "1.73M", marks=pytest.mark.long),
        ("plain20", 269_722, "0.27M"),
        ("ResNet18", 11_689_512, "11.69M"),
        ("ResNet34", 21_797_672, "21.80M"),
        ("ResNet50", 25_557_032, "25.56M"),
        pytest.param("ResNet101", 44_549_160, "44.55M", marks=pytest.mark.long),
        pytest.param("ResNet152", 60_192_808, "60.19M", marks=pytest.mark.long),
    ],
)
def test_parameter_counts_are_the_published_ones(name, exact, published, monkeypatch):
    # Random numbers for millions of weights take longer than all the rest.
    monkeypatch.setattr(
        keras.initializers.VarianceScaling, "__call__", lambda self, shape, dtype=None: np.zeros(shape, dtype)
    )
    model = models.build(name)
    assert parameters(model) == exact
    assert f"{exact / 1e6:.2f}M" == published
    assert model.name == name


def test_plain_imagenet_lacks_only_the_projections():
    plain, residual = (models.build(name, width=4) for name in ("Plain34", "ResNet34"))
    convolutions = sum(4 * 2**n * 8 * 2**n for n in range(3))
    normalizations = sum(2 * 8 * 2**n for n in range(3))
    assert parameters(residual) - parameters(plain) == convolutions + normalizations
    assert not [layer for layer in plain.layers if isinstance(layer, keras.layers.Add)]
    assert len([layer for layer in residual.layers if isinstance(layer, keras.layers.Add)]) == 16


def test_counted_layers_are_the_depth():
    for depth in (8, 20):
        for build in (models.resnet_cifar, models.plain_cifar):
            layers = build(depth, width=2).layers
            kinds = (keras.layers.Conv2D, keras.layers.Dense)
            assert len([layer for layer in layers if isinstance(layer, kinds)]) == depth


@pytest.mark.parametrize(
    ("name", "order", "channels"),
    [
        ("resnet14", "conv-bn-relu", 1),
        ("resnet14", "conv-relu-bn", 3),
        ("resnet14", "bn-relu-conv", 1),
        ("plain14", "conv-bn-relu", 3),
        ("ResNet18", "conv-relu-bn", 1),
        ("ResNet18", "bn-relu-conv", 3),
        ("ResNet50", "conv-bn-relu", 3),
        ("Plain18", "conv-bn-relu", 1),
    ],
)
def test_shapes_for_any_input_size(name, order, channels):
    stages = 3 if name[0].islower() else 4
    wide = 4 if name == "ResNet50" else 1
    model = models.build(name, width=2, include_top=False, input_shape=(None, None, channels), order=order)
    for height, width in ((27, 27), (1, 5), (33, 29), (32, 32)):
        halvings = stages - 1 + (2 if stages == 4 else 0)
        y = model(np.ones((2, height, width, channels), "float32"))
        expected = [-(-size // 2**halvings) for size in (height, width)]
        assert tuple(y.shape) == (2, *expected, 2 ** (stages - 1) * 2 * wide)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({}, (None, 10)),
        ({"classes": 7}, (None, 7)),
        ({"include_top": False}, (None, None, None, 64)),
        ({"include_top": False, "pooling": "max"}, (None, 64)),
        ({"include_top": False, "pooling": "avg", "width": 3}, (None, 12)),
        ({"include_top": False, "input_shape": (27, 33, 1)}, (None, 7, 9, 64)),
    ],
)
def test_output_shape_of_a_cifar_network(arguments, shape):
    assert models.resnet_cifar(8, **arguments).output_shape == shape


def test_head_pools_and_activates_as_told(rng):
    keras.utils.set_random_seed(1)
    probabilities = models.resnet_cifar(8, width=2)
    keras.utils.set_random_seed(1)
    logits = models.resnet_cifar(8, width=2, classifier_activation=None)
    keras.utils.set_random_seed(1)
    largest = models.resnet_cifar(8, width=2, classifier_activation=None, pooling="max")
    x = rng.normal(size=(4, 32, 32, 3)).astype("float32")
    scores = np.asarray(logits(x), "float64")
    softmax = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.asarray(probabilities(x)), softmax, atol=1e-6)
    assert np.abs(np.asarray(largest(x)) - scores).max() > 1e-3


def test_same_seed_same_weights_and_other_seed_other():
    def weights(seed):
        keras.utils.set_random_seed(seed)
        return models.resnet_cifar(8, width=2).get_layer("stage1_block1_conv1").get_weights()[0]

    assert (weights(1) == weights(1)).all()
    assert (weights(1) != weights(2)).any()


def test_names_tell_stage_and_block():
    model = models.resnet_cifar(14, width=2)
    names = [layer.name for layer in model.layers]
    assert names[:5] == ["input", "stem_conv", "stem_bn", "stem_relu", "stage1_block1_conv1"]
    assert names[-2:] == ["head_pool", "head_dense"]
    block = [name for name in names if name.startswith("stage2_block1_")]
    assert sorted(block) == sorted(
        f"stage2_block1_{step}"
        for step in ("conv1", "bn1", "relu1", "conv2", "bn2", "shortcut_pool", "shortcut_pad", "add", "relu2")
    )


def test_preactivation_ends_in_batch_normalization_of_the_last_stage():
    names = [layer.name for layer in models.resnet_cifar(8, width=2, order="bn-relu-conv").layers]
    assert names[-4:] == ["stage3_bn", "stage3_relu", "head_pool", "head_dense"]
    assert "stem_bn" not in names


@pytest.mark.parametrize("depth", [8, 14])
@pytest.mark.parametrize("order", ["conv-bn-relu", "conv-relu-bn", "bn-relu-conv"])
def test_number_of_batch_normalizations(depth, order):
    assert len(batch_normalizations(models.resnet_cifar(depth, width=2, order=order))) == depth - 1
    assert not batch_normalizations(models.resnet_cifar(depth, width=2, order=order, normalization=None))


def test_momentum_and_epsilon_reach_every_layer(narrow_resnet50):
    changed = models.ResNet50(width=2, momentum=0.5, epsilon=0.1)
    for model, expected in ((narrow_resnet50, (0.9, 1.001e-5)), (changed, (0.5, 0.1))):
        found = batch_normalizations(model)
        assert {(named.layer.momentum, named.layer.epsilon) for named in found} == {expected}
        assert len(found) == 53


def test_stages_hold_every_layer_but_the_input():
    model = models.resnet_imagenet(18, width=2)
    by_stage = models.stages(model)
    assert list(by_stage) == ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
    assert sum(map(len, by_stage.values())) == len(model.layers) - 1
    nested = keras.Sequential([model, keras.layers.Dense(2)])
    assert [layer.name for layer in models.stages(nested)["stage3"]] == [
        layer.name for layer in by_stage["stage3"]
    ]
    with pytest.raises(ValueError, match="Expected `model` to have layers named after stages"):
        models.stages(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("resnet8", {"frozen": ("stem", "stage2"), "training": False, "trainable": False}),
        ("resnet8", {"order": "bn-relu-conv", "update_statistics": True}),
        ("plain8", {"order": "conv-relu-bn", "training": True}),
        ("ResNet18", {"frozen": "stage4", "training": True, "trainable": False}),
    ],
)
def test_saved_network_comes_back(name, arguments, tmp_path, rng):
    model = models.build(
        name, width=2, input_shape=(33, 29, 1), classes=3, classifier_activation=None, **arguments
    )
    for named in batch_normalizations(model):
        for weight in named.layer.weights:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    path = tmp_path / "network.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    x = rng.normal(size=(3, 33, 29, 1)).astype("float32")
    assert (np.asarray(model(x)) == np.asarray(loaded(x))).all()
    assert np.ptp(np.asarray(model(x)), axis=0).min() > 1e-4
    for old, new in zip(model.layers, loaded.layers, strict=True):
        assert old.get_config() == new.get_config()
        assert type(old) is type(new)


def test_all_other_layers_are_stock(narrow_resnet50):
    for model in (models.build("resnet8", width=2), narrow_resnet50):
        for layer in model.layers:
            stock = type(layer).__module__.startswith("keras.")
            assert stock or isinstance(layer, keras.layers.BatchNormalization)
            assert not isinstance(layer, keras.layers.Lambda)
