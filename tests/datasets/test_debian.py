"""Data that Debian's packages install: Fashion-MNIST and cut-out photographs."""

import gzip
import struct

import numpy as np
import PIL.Image
import pytest

from tfbn.datasets import debian_fashion_mnist, load, load_folder, stamps
from tfbn.utils.validation import InputError

SIZES = {"train": 30, "t10k": 12}


def write_idx(path, values, magic=8):
    header = struct.pack(f">HBB{values.ndim}I", 0, magic, values.ndim, *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes()))


@pytest.fixture
def package(tmp_path, rng, monkeypatch):
    """A folder as the package has it, with few images; and what is in it."""
    folder, content = tmp_path / "fashion-mnist", {}
    folder.mkdir()
    for start, number in SIZES.items():
        images = rng.integers(0, 256, (number, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, number, dtype=np.uint8)
        write_idx(folder / f"{start}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{start}-labels-idx1-ubyte.gz", labels)
        content[start] = images, labels
    monkeypatch.setattr(debian_fashion_mnist, "FOLDER", folder)
    return folder, content


@pytest.mark.parametrize("name", ["fashion_mnist", "debian_fashion_mnist"])
def test_fashion_mnist_is_read_from_the_package(name, package, tmp_path):
    for split, start in (("train", "train"), ("test", "t10k")):
        images, labels = package[1][start]
        loaded = load(name, split, data_dir=tmp_path / "tfds")
        assert loaded.class_names[9] == "Ankle boot"
        order = [int(np.abs(images - 255 * each[..., 0]).sum((1, 2)).argmin()) for each in loaded.images]
        assert sorted(order) == list(range(len(images)))
        np.testing.assert_array_equal(255 * loaded.images[..., 0], images[order])
        np.testing.assert_array_equal(loaded.labels, labels[order])


def test_the_package_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(debian_fashion_mnist, "FOLDER", tmp_path / "none")
    with pytest.raises(InputError, match=r"Expected `dataset` .*apt-get install dataset-fashion-mnist\)"):
        load("fashion_mnist", data_dir=tmp_path)
    with pytest.raises(InputError, match=r"Expected `dataset` .*apt-get install dataset-fashion-mnist\)"):
        load("debian_fashion_mnist", data_dir=tmp_path)


@pytest.mark.parametrize("damage", ["cut", "not gzip", "floats", "labels are fewer"])
def test_a_damaged_package_is_named(damage, package, tmp_path):
    folder, content = package
    path = folder / "train-images-idx3-ubyte.gz"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    elif damage == "not gzip":
        path.write_bytes(b"no")
    elif damage == "floats":
        write_idx(path, content["train"][0], magic=13)
    else:
        write_idx(path, content["train"][0][1:])
    with pytest.raises(InputError, match=r"Received: \S*(train-images|\(29, 28, 28\))"):
        load("fashion_mnist", data_dir=tmp_path / "tfds")
    assert not list((tmp_path / "tfds").rglob("*.tfrecord*"))


@pytest.mark.skipif(not debian_fashion_mnist.is_installed(), reason="apt-get install dataset-fashion-mnist")
def test_the_package_itself():
    labels = debian_fashion_mnist.read_idx(debian_fashion_mnist.FOLDER / "train-labels-idx1-ubyte.gz")
    assert np.bincount(labels).tolist() == [6000] * 10


@pytest.fixture
def pictures(tmp_path):
    """As the package has them: one picture a class, a drawing and a toy among them, one further down."""
    places = {name: f"{place}/one.png" for name, place in stamps.CLASSES.items()}
    places |= {"down": "animals/mammals/cats/two.png", "drawn": "animals/birds/cartoon/three.png"}
    places |= {"toy": "animals/mammals/bears/toys/four.png", "other": "symbols/five.png"}
    for i, place in enumerate(places.values()):
        path = tmp_path / "stamps" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.full((4, 4, 4), (10 * i, 20, 30, 255), np.uint8)).save(path)
    return tmp_path / "stamps"


def test_photographs_become_a_folder_of_classes(pictures, tmp_path):
    found = {name: [file.name for file in files] for name, files in stamps.photographs(pictures).items()}
    assert found == {name: ["one.png"] for name in stamps.CLASSES} | {"mammals": ["two.png", "one.png"]}
    folder = stamps.unpack(tmp_path / "photographs", pictures)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    loaded = load_folder(folder, image_size=4)
    assert loaded.class_names == tuple(sorted(stamps.CLASSES))
    assert len(loaded.images) == len(stamps.CLASSES) + 1
    np.testing.assert_allclose(255 * loaded.images[..., 1], 20, atol=1e-3)
    stamps.unpack(folder, pictures)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}


def test_the_root_of_an_unpacked_package_will_do(pictures, tmp_path):
    root = tmp_path / "unpacked"
    inside = root / "usr" / "share" / "tuxpaint" / "stamps"
    inside.parent.mkdir(parents=True)
    pictures.rename(inside)
    assert sum(map(len, stamps.photographs(root).values())) == len(stamps.CLASSES) + 1
    assert stamps.is_package(root)
    assert stamps.is_package(inside)
    assert not stamps.is_package(inside / "animals")


def test_a_class_without_pictures_is_named(pictures):
    (pictures / "food" / "fruit" / "one.png").unlink()
    with pytest.raises(InputError, match=r"apt-get install tuxpaint-stamps-default\), with food/fruit"):
        stamps.photographs(pictures)
