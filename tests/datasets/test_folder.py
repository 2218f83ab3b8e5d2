"""A user's folder of class folders."""

import numpy as np
import PIL.Image
import pytest

from tfbn.datasets import load_folder
from tfbn.utils.validation import InputError

SIZE = 6


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)


@pytest.fixture
def pixels(rng):
    """Twelve images, all different."""
    return rng.integers(0, 256, (12, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture
def pictures(tmp_path, pixels):
    """The first eight are cats, the rest are dogs."""
    for i, image in enumerate(pixels):
        write(tmp_path / "pictures" / ("cats" if i < 8 else "dogs") / f"{i}.png", image)
    return tmp_path / "pictures"


def where(image, pixels):
    """Which of the images it is."""
    return int(np.argmin(np.abs(np.float32(pixels) - 255 * image).mean((1, 2, 3))))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "P with transparency"])
def test_transparent_images_lie_on_white(mode, tmp_path, rng):
    colors = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    alpha[0, :2] = 0, 255
    if mode.startswith("P"):
        picture = PIL.Image.fromarray(colors).quantize(200)
        colors = np.asarray(picture.convert("RGB"))
        hidden = np.asarray(picture) == 3
        alpha = np.where(hidden & (mode != "P"), 0, 255)
        options = {"transparency": 3} if mode != "P" else {}
    else:
        if mode.startswith("L"):
            colors = np.repeat(colors[..., :1], 3, -1)
        picture = PIL.Image.fromarray(np.dstack([colors, alpha])).convert(mode)
        colors = np.asarray(PIL.Image.fromarray(colors).convert(mode.removesuffix("A")).convert("RGB"))
        alpha, options = (alpha if mode.endswith("A") else np.full_like(alpha, 255)), {}
    (tmp_path / "x" / "a").mkdir(parents=True)
    picture.save(tmp_path / "x" / "a" / "1.png", **options)
    loaded = load_folder(tmp_path / "x", image_size=SIZE)
    share = alpha[..., None] / 255
    np.testing.assert_allclose(255 * loaded.images[0], colors * share + 255 * (1 - share), atol=0.51)


def test_every_image_once_with_its_class(pictures, pixels):
    loaded = load_folder(pictures, image_size=SIZE)
    assert loaded.class_names == ("cats", "dogs")
    found = [where(image, pixels) for image in loaded.images]
    assert sorted(found) == list(range(12)) != found  # mixed
    assert loaded.labels.tolist() == [int(i >= 8) for i in found]
    np.testing.assert_allclose(loaded.images, np.float32(pixels)[found] / 255, rtol=1e-6)
    assert (loaded.images.dtype, loaded.labels.dtype) == (np.float32, np.int64)


def test_the_order_is_always_the_same(pictures):
    first, again = load_folder(pictures, image_size=SIZE), load_folder(pictures, image_size=SIZE)
    np.testing.assert_array_equal(first.images, again.images)


def test_a_limit_draws_over_all_classes(pictures):
    loaded = load_folder(pictures, image_size=SIZE, limit=7)
    assert len(loaded.images) == 7
    assert set(loaded.labels.tolist()) == {0, 1}
    assert loaded.class_names == ("cats", "dogs")


def test_gray_and_border(pictures, pixels):
    loaded = load_folder(pictures, image_size=SIZE + 4, border=2, channels=1)
    assert loaded.images.shape == (12, SIZE + 4, SIZE + 4, 1)
    inside = loaded.images[:, 2:-2, 2:-2]
    gray = np.float64(pixels) @ [0.2989, 0.587, 0.114] / 255  # ITU-R 601
    np.testing.assert_allclose(sorted(inside.mean((1, 2, 3))), sorted(gray.mean((1, 2))), rtol=1e-5)
    assert loaded.images.sum(dtype=float) == pytest.approx(inside.sum(dtype=float))


def test_made_smaller_without_aliasing(tmp_path):
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::4] = 200  # every fourth column: a quarter of the light
    write(tmp_path / "a" / "1.png", stripes)
    image = load_folder(tmp_path, image_size=8).images[0]
    np.testing.assert_allclose(image[:, 1:-1], 200 / 255 / 4, atol=0.02)


@pytest.mark.parametrize("name", ["1.PNG", "1.Jpeg", "1.JPG", "1.bmp", "1.gif", "deeper/still/1.png"])
def test_suffixes_and_folders_further_down(name, pictures, rng):
    write(pictures / "birds" / name, np.full((9, 9, 3), (30, 90, 60), np.uint8))
    loaded = load_folder(pictures, image_size=SIZE)
    assert loaded.class_names == ("birds", "cats", "dogs")
    assert np.bincount(loaded.labels).tolist() == [1, 8, 4]
    image = loaded.images[loaded.labels == 0][0]
    np.testing.assert_allclose(
        image * 255, np.broadcast_to((30, 90, 60), image.shape), atol=2.5
    )  # JPEG rounds


def test_the_first_frame_of_a_film(tmp_path):
    frames = [PIL.Image.fromarray(np.full((9, 9), level, np.uint8)) for level in (50, 250)]
    (tmp_path / "a").mkdir()
    frames[0].save(tmp_path / "a" / "1.gif", save_all=True, append_images=frames[1:])
    loaded = load_folder(tmp_path, image_size=SIZE)
    np.testing.assert_allclose(loaded.images, 50 / 255, atol=0.01)
    assert loaded.images.shape == (1, SIZE, SIZE, 3)


def test_other_files_are_passed_over(pictures):
    (pictures / "README.txt").write_text("about")
    (pictures / "cats" / "notes.txt").write_text("about cats")
    (pictures / "cats" / "._0.png").write_bytes(b"what a Mac leaves")
    (pictures / ".thumbnails").mkdir()
    loaded = load_folder(pictures, image_size=SIZE)
    assert loaded.class_names == ("cats", "dogs")
    assert np.bincount(loaded.labels).tolist() == [8, 4]


def test_an_empty_class_folder_is_a_class_without_images(pictures):
    (pictures / "axolotls").mkdir()
    loaded = load_folder(pictures, image_size=SIZE)
    assert loaded.class_names == ("axolotls", "cats", "dogs")
    assert np.bincount(loaded.labels).tolist() == [0, 8, 4]


@pytest.mark.parametrize("content", [b"not an image", b"", b"\x89PNG\r\n\x1a\n and then nothing"])
def test_an_image_that_cannot_be_read_is_named(content, pictures):
    (pictures / "dogs" / "broken.png").write_bytes(content)
    with pytest.raises(
        InputError, match=r"Expected `data_dir` to hold images that can be read\. .*broken\.png'$"
    ):
        load_folder(pictures, image_size=SIZE)


def test_half_an_image_is_named(pictures):
    path = pictures / "dogs" / "9.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"that can be read\. .*9\.png'$"):
        load_folder(pictures, image_size=SIZE)


def test_no_folder(tmp_path, pictures):
    for path in (tmp_path / "nowhere", pictures / "cats" / "0.png"):
        with pytest.raises(
            InputError, match=rf"^Expected `data_dir` to be a folder\. Received: data_dir='{path}'$"
        ):
            load_folder(path, image_size=SIZE)


def test_no_class_folders(pictures):
    with pytest.raises(InputError, match="Expected `data_dir` to be a folder with one folder for each class"):
        load_folder(pictures / "cats", image_size=SIZE)


def test_class_folders_without_images(tmp_path):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "notes.txt").write_text("none yet")
    with pytest.raises(InputError, match=r"Expected `data_dir` to hold images \(\.png, "):
        load_folder(tmp_path, image_size=SIZE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"image_size": 0},
            "Expected `image_size` to be a whole number of at least 1. Received: .*=0",
        ),
        ({"image_size": 8, "border": 4}, "Expected `image_size` to be a whole number of at least 9"),
        ({"image_size": 8, "border": -1}, "Expected `border` to be a whole number of at least 0"),
        ({"image_size": 8, "channels": 2}, "Expected `channels` to be 1, 3 or None. Received: channels=2"),
        ({"image_size": 8, "limit": 0}, "Expected `limit` to be a whole number of at least 1"),
    ],
)
def test_bad_form(options, message, pictures):
    with pytest.raises(InputError, match=message):
        load_folder(pictures, **options)
