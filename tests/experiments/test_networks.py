"""The user's own network, data and source in the main job."""

import dataclasses

import keras
import numpy as np
import pytest

from experiments.frozen_batchnorm import __main__ as frozen_batchnorm
from experiments.lab import binary
from experiments.training import networks, transfer
from experiments.training.arms import ARMS
from tests.experiments.small import TINY
from tfbn.graph.traversal import batch_normalizations
from tfbn.utils.validation import InputError


@pytest.fixture
def pictures(tmp_path):
    """A folder of class folders: bright and dark noise."""
    rng = np.random.default_rng(0)
    for name, level in (("bright", 180), ("dark", 40)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(20):
            image = np.clip(rng.normal(level, 30, (20, 24, 3)), 0, 255)
            keras.utils.save_img(tmp_path / "pictures" / name / f"{i}.png", image, scale=False)
    return tmp_path / "pictures"


def small(tmp_path, **options):
    options = {"arms": ("inference", "batch"), "seeds": 1, "shifts": ("none",)} | options
    return dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), **options)


def run(config):
    _, path = binary.answer(frozen_batchnorm.EXPERIMENT, config)
    import pandas as pd

    return pd.read_parquet(path.parent / "results.parquet").set_index("arm")


def test_a_folder_of_class_folders_and_a_file(pictures, tmp_path):
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.BatchNormalization(name="bn")(keras.layers.Conv2D(8, 3, name="conv")(inputs))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    keras.Model(inputs, keras.layers.Dense(7, activation="softmax")(x)).save(tmp_path / "mine.keras")
    config = small(
        tmp_path,
        model=str(tmp_path / "mine.keras"),
        data_dir=str(pictures),
        pixels="byte",
        train_images=24,
        test_images=16,
        epochs=15,
        frozen=("conv", "bn"),
    )
    results = run(config)
    assert results.loc["inference"].statistics_moved == 0 < results.loc["batch"].statistics_moved
    assert results.loc["batch"].converged_accuracy >= 0.9  # bright and dark are easy to tell apart


@pytest.mark.long
def test_a_network_of_applications(tmp_path):
    options = {"model": "MobileNetV2", "weights": "none", "image_size": 32, "frozen": ("block_1*",)}
    config = small(tmp_path, arms=("inference",), epochs=1, **options)
    results = run(config)
    assert (results.affine_moved > 0).all()  # the other blocks train
    model = transfer.build(config, ARMS["inference"], 0, 10, tmp_path)
    flags = {s.path: s.layer.training for s in batch_normalizations(model)}
    assert {path for path, training in flags.items() if training is False} == {
        path for path in flags if path.startswith("block_1")
    }
    assert all(s.layer.momentum == config.momentum for s in batch_normalizations(model))


@pytest.mark.long
def test_pretraining_on_a_source_happens_once_for_each_seed(tmp_path):
    config = small(tmp_path, source_dataset="uci_digits", source_epochs=1, seeds=2, epochs=1)
    results = run(config)
    assert len(results) == 4
    files = sorted(p.name for p in (tmp_path / "work" / "source").glob("*.h5"))
    assert files == ["resnet8_0.weights.h5", "resnet8_1.weights.h5"]


def test_audit_prints_what_each_arm_will_do(tmp_path):
    text = transfer.audit(small(tmp_path))
    assert "batch: frozen, training=True, statistics update" in text
    assert "In fit 7 normalize by the batch, 7 update" in text
    assert "In fit 0 normalize by the batch, 0 update" in text


def test_preprocessing_is_the_networks_own(tmp_path):
    images = np.float32(np.random.default_rng(0).random((2, 32, 32, 3)))
    config = small(tmp_path, model="MobileNetV2")
    expected = keras.applications.mobilenet_v2.preprocess_input(images * 255)
    np.testing.assert_allclose(networks.preprocessing(config)(images), expected, rtol=1e-6)
    assert networks.preprocessing(small(tmp_path))(images) is images


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: (f / "x.keras").write_text("not a model"), "to be a Keras model file"),
        (
            lambda f: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(f / "x.keras"),
            "to take images",
        ),
    ],
)
def test_files_that_cannot_serve(make, message, tmp_path):
    make(tmp_path)
    with pytest.raises(InputError, match=message):
        networks.input_shape(small(tmp_path, model=str(tmp_path / "x.keras")))


def test_folders_that_cannot_serve(pictures, tmp_path):
    (pictures / "dark" / "0.png").write_bytes(b"no picture")
    config = small(tmp_path, data_dir=str(pictures), train_images=20, test_images=20)
    with pytest.raises(InputError, match=r"to hold images that can be read.*0\.png"):
        transfer.check(config)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="one folder for each class"):
        transfer.check(dataclasses.replace(config, data_dir=str(tmp_path / "empty")))


def test_efficientnet_lite_is_taken_as_the_networks_of_keras_applications_are():
    config = dataclasses.replace(TINY, model="EfficientNetLite0", image_size=32)
    assert networks.input_shape(dataclasses.replace(config, image_size=0)) == (96, 96, 3)
    assert networks.weights_of(config, seed=3) == "imagenet"
    base = networks.build(config, None)
    assert (base.input_shape, base.output_shape) == ((None, 32, 32, 3), (None, 1280))
    assert len(batch_normalizations(base)) == 49
    half = np.full((1, 32, 32, 3), 0.5, "float32")
    np.testing.assert_array_equal(networks.preprocessing(config)(half), 127.5 * np.ones_like(half))
