"""Any data set of TFDS as arrays, and what is said when it cannot be had."""

import concurrent.futures
import multiprocessing
import socket

import numpy as np
import PIL.Image
import pytest

from tests.datasets import sets
from tfbn.datasets import builder, load, uci_digits
from tfbn.utils.validation import InputError


@pytest.fixture
def digits(prepared):
    return load("uci_digits", "train[:9]", data_dir=prepared).images


@pytest.fixture
def no_network(monkeypatch):
    """Fails the test if anybody asks for a host."""

    def asked(*args, **kwargs):
        raise AssertionError(f"asked the network: {args}")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    monkeypatch.setattr(socket.socket, "connect", asked)


def test_a_border_is_empty_and_the_inside_as_stored(digits, prepared):
    form = {"image_size": 14, "border": 3, "data_dir": prepared}
    images = load("uci_digits", "train[:9]", **form).images
    assert images.shape == (9, 14, 14, 1)
    np.testing.assert_array_equal(images[:, 3:-3, 3:-3], digits)
    images[:, 3:-3, 3:-3] = 0
    assert not images.any()


def test_a_border_around_images_as_stored(digits, prepared):
    images = load("uci_digits", "train[:9]", border=2, data_dir=prepared).images
    np.testing.assert_array_equal(images, np.pad(digits, [(0, 0), (2, 2), (2, 2), (0, 0)]))


@pytest.mark.parametrize("size", [4, 20])
def test_resizing_is_bilinear_and_smoothed(size, digits, prepared):
    images = load("uci_digits", "train[:9]", image_size=size + 2, border=1, data_dir=prepared).images
    for image, stored in zip(images, digits, strict=True):
        expected = PIL.Image.fromarray(stored[..., 0]).resize((size, size), PIL.Image.Resampling.BILINEAR)
        np.testing.assert_allclose(image[1:-1, 1:-1, 0], np.asarray(expected), atol=1e-5)


def test_gray_as_color(digits, prepared):
    images = load("uci_digits", "train[:9]", channels=3, data_dir=prepared).images
    np.testing.assert_array_equal(images, np.repeat(digits, 3, axis=-1))


def test_splits_and_limit(digits, prepared):
    loaded = load("uci_digits", "train[4:]", limit=3, data_dir=prepared)
    np.testing.assert_array_equal(loaded.images, digits[4:7])
    assert len(loaded.labels) == 3


def test_twice_the_same(digits, prepared):
    np.testing.assert_array_equal(load("uci_digits", "train[:9]", data_dir=prepared).images, digits)


def test_a_data_set_that_is_not_embedded(prepared, no_network):
    with pytest.raises(InputError, match=r"Expected `dataset` to be prepared in .*allow the download"):
        load("tests_colors", data_dir=prepared)
    fetched = load("tests_colors", "validation", data_dir=prepared, download=True)
    assert fetched.class_names == ("warm", "cold")
    order = [int(np.argmin(np.abs(sets.COLORS - 255 * i).mean((1, 2, 3)))) for i in fetched.images]
    assert sorted(order) == list(range(6))
    np.testing.assert_allclose(fetched.images, np.float32(sets.COLORS[order]) / 255, rtol=1e-6)
    assert fetched.labels.tolist() == [i % 2 for i in order]
    gray = load("tests_colors", "validation", channels=1, data_dir=prepared)  # now it is there
    weights = [0.2989, 0.587, 0.114]
    np.testing.assert_allclose(gray.images[..., 0], fetched.images @ np.float32(weights), atol=1e-5)


def test_images_of_several_sizes_need_one(prepared):
    with pytest.raises(InputError, match=r"Expected `image_size` to be given for images of 3 sizes"):
        load("tests_sizes", data_dir=prepared, download=True)
    assert load("tests_sizes", image_size=4, data_dir=prepared).images.shape == (3, 4, 4, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    {
        "cifr10": r"to be a TFDS name \(did you mean cifar10, .*\)\. Received: dataset='cifr10'$",
        "uci_digit": r"to be a TFDS name \(did you mean uci_digits",
        "mnist5k:9.9.9": "to be a TFDS name .*did you mean mnist5k",
        "": "to be a TFDS name",
        None: "to be a TFDS name .*Received: dataset=None",
        "a/../b": "to be a TFDS name",
    }.items(),
)
def test_no_such_data_set(name, message, prepared, no_network):
    with pytest.raises(InputError, match=f"^Expected `dataset` {message}"):
        builder(name, prepared)


def test_what_is_not_prepared_is_told_without_asking_the_network(tmp_path, no_network):
    expected = rf"^Expected `dataset` to be prepared in {tmp_path} \(allow.*Received: dataset='cifar10'$"
    with pytest.raises(InputError, match=expected):
        builder("cifar10", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("split", ["test", "train[5:", "", "train[5:5]", "trian[:3]", None])
def test_no_such_split(split, prepared):
    message = (
        r"^Expected `split` to be a split of uci_digits or a slice of one \(it has \['train'\]\)\. Received: "
    )
    with pytest.raises(InputError, match=message):
        load("uci_digits", split, data_dir=prepared)


@pytest.mark.parametrize(
    ("name", "has"), [("tests_texts", "'label', 'text'"), ("tests_numbers", "'image', 'label'")]
)
def test_no_labeled_images(name, has, prepared):
    with pytest.raises(
        InputError, match=rf"Expected `dataset` to have an image and a class label; it has \[{has}\]"
    ):
        load(name, data_dir=prepared, download=True)


def test_what_cannot_be_fetched_is_told_in_one_line(prepared):
    expected = r"to be one that can be downloaded \(no route to host\)\. Received: "
    with pytest.raises(InputError, match=expected) as error:
        load("tests_far_away", data_dir=prepared, download=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 8, "border": 4}, "Expected `image_size` to be a whole number of at least 9"),
        ({"border": -1}, "Expected `border` to be a whole number of at least 0"),
        ({"channels": 2}, "Expected `channels` to be 1, 3 or None"),
        ({"limit": 0}, "Expected `limit` to be a whole number of at least 1. Received: limit=0"),
    ],
)
def test_a_bad_form_is_told_before_anything_is_prepared(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load("uci_digits", data_dir=tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere"])
def test_a_folder_that_cannot_be_written(place, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    folder = str(tmp_path / place)
    message = (
        rf"^Expected `data_dir` to be a folder that can be written \(.+\)\. Received: data_dir='{folder}'$"
    )
    with pytest.raises(InputError, match=message):
        builder("uci_digits", folder)
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uci_digits.UciDigits, "download_and_prepare", full)
    with pytest.raises(InputError, match=r"Expected `data_dir` .*\(No space left on device\)"):
        builder("uci_digits", tmp_path)


def test_preparing_is_quiet_on_standard_output(tmp_path, capsys):
    builder("uci_digits", tmp_path)
    assert capsys.readouterr().out == ""


def in_threads(folder):
    """As with processes, each has a builder and an open file of its own, but there is nothing to start."""
    with sets.marks_who_asks(folder), concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(sets.prepared, [folder] * 2))


def in_processes(folder):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        return pool.map(sets.prepared_in_a_process, [folder] * 2, chunksize=1)


@pytest.mark.parametrize("ran", [in_threads, pytest.param(in_processes, marks=pytest.mark.long)])
def test_two_at_once_prepare_into_one_folder(ran, tmp_path):
    assert ran(tmp_path) == [6, 6]
    assert len(list(tmp_path.glob("prepares-*"))) == 1  # the other found it done
    assert {path.name for path in (tmp_path / "data" / "tests_slow").iterdir()} == {"1.0.0"}


def test_images_at_positions_are_those_of_the_whole(prepared):
    whole = load("uci_digits", image_size=12, limit=60, data_dir=prepared)
    rows = np.array([41, 3, 59, 4])
    some = load("uci_digits", image_size=12, positions=rows, data_dir=prepared)
    np.testing.assert_array_equal(some.images, whole.images[rows])
    np.testing.assert_array_equal(some.labels, whole.labels[rows])
    for wrong in ([1, 1], [-1], [], [[0]]):
        with pytest.raises(InputError, match="`positions` to be distinct whole numbers"):
            load("uci_digits", positions=wrong, data_dir=prepared)
    with pytest.raises(InputError, match="`positions` to be positions of uci_digits's train"):
        load("uci_digits", positions=[5, 1797], data_dir=prepared)
