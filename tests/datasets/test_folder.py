"""A user's folder of class folders."""

import numpy as np
import PIL.Image
import pytest

from tfbn.datasets import Form, folder, list_folder, load_folder
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
    with pytest.warns(UserWarning, match=r"cats: 1 \.txt$"):
        loaded = load_folder(pictures, image_size=SIZE)
    assert loaded.class_names == ("cats", "dogs")
    assert np.bincount(loaded.labels).tolist() == [8, 4]


@pytest.mark.parametrize("name", ["axolotls", "axolotls/deeper", "__MACOSX/cats"])
def test_an_empty_class_folder_is_left_out_and_said(name, pictures):
    (pictures / name).mkdir(parents=True)
    with pytest.warns(UserWarning, match=name.partition("/")[0]):
        loaded = load_folder(pictures, image_size=SIZE)
    assert loaded.class_names == ("cats", "dogs")
    assert np.bincount(loaded.labels).tolist() == [8, 4]


@pytest.mark.parametrize("content", [b"not an image", b"", b"\x89PNG\r\n\x1a\n and then nothing"])
def test_an_image_that_cannot_be_read_is_named(content, pictures):
    (pictures / "dogs" / "broken.png").write_bytes(content)
    with pytest.raises(
        InputError, match=r"Expected `data_dir` to hold images that can be read \(.*broken\.png'$"
    ):
        load_folder(pictures, image_size=SIZE)


def test_half_an_image_is_named(pictures):
    path = pictures / "dogs" / "9.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"that can be read \(.*9\.png'$"):
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


def test_every_unreadable_file_is_named_at_once(pictures):
    names = ("cats/0.png", "dogs/9.png", "dogs/10.png")
    for name in names:
        (pictures / name).write_bytes(b"no image")
    with pytest.raises(InputError, match="3 of 12 that cannot") as raised:
        load_folder(pictures, image_size=SIZE)
    assert all(name in str(raised.value) for name in names)
    assert "1.png," not in str(raised.value).replace("dogs/10.png,", "")


def test_unreadable_files_are_skipped_if_asked(pictures, pixels):
    (pictures / "dogs" / "9.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match=r"Left out .*9\.png, which cannot be read"):
        loaded = load_folder(pictures, image_size=SIZE, skip_unreadable=True)
    found = [where(image, pixels) for image in loaded.images]
    assert sorted(found) == [i for i in range(12) if i != 9]
    assert loaded.labels.tolist() == [int(i >= 8) for i in found]


def test_all_unreadable_is_an_error_also_if_they_may_be_skipped(pictures):
    for path in pictures.rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(InputError, match="12 of 12 that cannot"):
        load_folder(pictures, image_size=SIZE, skip_unreadable=True)


def test_webp_and_tiff_to_the_pixel(tmp_path, pixels):
    for i, options in enumerate(({"format": "WEBP", "lossless": True}, {"format": "TIFF"})):
        path = tmp_path / "x" / "a" / f"{i}.{options['format'].lower()}"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(pixels[i]).save(path, **options)
    loaded = load_folder(tmp_path / "x", image_size=SIZE)
    for image in loaded.images:
        np.testing.assert_allclose(255 * image, pixels[where(image, pixels)], atol=1e-4)
    assert {where(image, pixels) for image in loaded.images} == {0, 1}


def test_a_photograph_is_turned_as_its_camera_says(tmp_path):
    levels = np.zeros((8, 8, 3), np.uint8)
    levels[:4] = 240  # light above, as the sensor has it
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned right by 90 degrees
    (tmp_path / "a").mkdir()
    PIL.Image.fromarray(levels).save(tmp_path / "a" / "1.png", exif=exif)
    image = load_folder(tmp_path, image_size=8).images[0]
    assert image[:, 4:].mean() > 0.9 > 0.1 > image[:, :4].mean()


def test_sixteen_bits_a_pixel(tmp_path):
    (tmp_path / "a").mkdir()
    deep = np.full((8, 8), 128 * 256 + 7, np.uint16)
    PIL.Image.fromarray(deep).save(tmp_path / "a" / "1.png")
    np.testing.assert_allclose(load_folder(tmp_path, image_size=8).images, 128 / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("train", "val"), {"train", "validation"}),
        (("Train", "Valid", "TEST"), {"train", "validation", "test"}),
        (("training", "testing", "validation"), {"train", "validation", "test"}),
        (("train",), {"train"}),
    ],
)
def test_splits_above_the_classes(names, expected, tmp_path, pixels):
    for i, name in enumerate(names):
        for j, pet in enumerate(("cat", "dog")):
            write(tmp_path / "pets" / name / pet / "1.png", pixels[2 * i + j])
    found = list_folder(tmp_path / "pets")
    assert found.class_names == ("cat", "dog")
    assert set(found.splits) == expected
    assert [len(rows) for rows in found.splits.values()] == [2] * len(names)
    loaded = load_folder(tmp_path / "pets", image_size=SIZE, split="train")
    assert sorted(where(image, pixels) for image in loaded.images) == [0, 1]
    with pytest.raises(InputError, match="`split` to be one of"):
        load_folder(tmp_path / "pets", image_size=SIZE, split="dev")


def test_classes_that_are_named_as_splits_stay_classes(tmp_path, pixels):
    for i, name in enumerate(("train", "test", "bus")):
        write(tmp_path / name / "1.png", pixels[i])
    found = list_folder(tmp_path)
    assert found.class_names == ("bus", "test", "train")
    assert not found.splits
    (tmp_path / "bus" / "1.png").unlink()
    assert list_folder(tmp_path).class_names == ("test", "train")  # pictures right inside


def test_an_unpacked_archive(tmp_path, pixels):
    for name in ("cat", "dog"):
        write(tmp_path / "zip" / "pets" / name / "1.png", pixels[0])
    write(tmp_path / "zip" / "__MACOSX" / "pets" / "cat" / "2.png", pixels[1])
    found = list_folder(tmp_path / "zip")
    assert found.class_names == ("cat", "dog")
    assert len(found.files) == 2


def test_a_stream_reads_what_the_array_holds(pictures):
    loaded = list_folder(pictures)
    form = Form(image_size=SIZE)
    whole, kept = folder.read(loaded.files, form)
    assert kept.tolist() == list(range(12))
    stream = folder.Stream(loaded.files, form).changed(lambda images: images * 255.0)
    assert stream.shape == whole.shape
    np.testing.assert_array_equal(stream[3:5], whole[3:5] * 255.0)
    np.testing.assert_array_equal(stream[np.array([7, 0])], whole[[7, 0]] * 255.0)
    batches = list(stream.dataset(5, labels=loaded.labels).as_numpy_iterator())
    assert [len(images) for images, _ in batches] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), whole * 255.0)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), loaded.labels)
