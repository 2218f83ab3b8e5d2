"""Which images a run is given: splits of a folder, what is drawn, and how much memory that takes."""

import dataclasses
import multiprocessing
import warnings

import keras
import numpy as np
import PIL.Image
import pytest

from experiments.training import data, networks, overview, pools, training, transfer
from tests.experiments.small import TINY
from tfbn.datasets import Stream
from tfbn.utils.validation import InputError

COUNTS = {"cat": 20, "dog": 10, "eel": 3, "fox": 1}


def write(root, counts, rng):
    for name, number in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(number):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(root / name / f"{i}.png")


@pytest.fixture
def source(tmp_path, rng):
    write(tmp_path / "pets", COUNTS, rng)
    return pools.Source("", str(tmp_path / "pets"), (8, 8, 3))


def test_the_default_split_is_seventy_to_thirty_of_each_class(source):
    splits = [data.target_split(source, 0, 0, "none", seed) for seed in (0, 0, 1)]
    assert np.bincount(splits[0].train_y).tolist() == [14, 7, 2, 1]
    assert np.bincount(splits[0].test_y).tolist() == [6, 3, 1]
    both = np.concatenate([splits[0].train_x, splits[0].test_x]).reshape(34, -1)
    assert len(np.unique(both, axis=0)) == 34
    np.testing.assert_array_equal(splits[0].train_x, splits[1].train_x)
    assert (splits[0].train_x != splits[2].train_x).any()
    assert data.count(source, 0) == 24


@pytest.mark.parametrize(
    ("train", "test", "expected"), [(10, 0, (10, 24)), (0, 4, (24, 4)), (10, 5, (10, 5))]
)
def test_numbers_that_are_given_count(train, test, expected, source):
    split = data.target_split(source, train, test, "none", 0)
    assert (len(split.train_x), len(split.test_x)) == expected


def test_disjoint_draws_have_no_image_in_common(source):
    splits = [data.target_split(source, 6, 4, "none", seed, disjoint=True) for seed in range(3)]
    images = np.concatenate([x.reshape(len(x), -1) for each in splits for x in (each.train_x, each.test_x)])
    assert len(np.unique(images, axis=0)) == len(images) == 3 * (6 + 4)
    again = data.target_split(source, 6, 4, "none", 1, disjoint=True)
    np.testing.assert_array_equal(again.test_x, splits[1].test_x)
    np.testing.assert_array_equal(again.test_y, splits[1].test_y)
    with pytest.raises(InputError, match=r"4 disjoint draws of 10 images are more than the 34 of pets"):
        data.target_split(source, 6, 4, "none", 3, disjoint=True)


def test_disjoint_draws_keep_to_a_sources_own_splits(tmp_path, rng):
    for name, number in (("train", 6), ("test", 4)):
        write(tmp_path / "pets" / name, {"cat": number, "dog": number}, rng)
    source = pools.Source("", str(tmp_path / "pets"), (8, 8, 3))
    found = pools.pool(source)
    draws = [data.disjoint_positions(source, found, 4, 2, seed) for seed in range(3)]
    train, test = (np.concatenate(parts) for parts in zip(*draws, strict=True))
    assert len(set(train)) == 12
    assert set(train) <= set(found.splits["train"])
    assert len(set(test)) == 6
    assert set(test) <= set(found.splits["test"])


def test_more_images_than_there_are(source):
    with pytest.raises(InputError, match="at most 34, the images of pets"):
        data.target_split(source, 30, 5, "none", 0)


def test_own_splits_are_used(tmp_path, rng):
    for name, number in (("train", 6), ("val", 2), ("test", 3)):
        write(tmp_path / "pets" / name, {"cat": number, "dog": number}, rng)
    source = pools.Source("", str(tmp_path / "pets"), (8, 8, 3))
    split = data.target_split(source, 0, 0, "none", 0)
    assert (len(split.train_x), len(split.test_x)) == (12, 6)
    assert len(data.target_split(source, 5, 0, "none", 0).train_x) == 5
    with pytest.raises(InputError, match="`train_images` to be at most 12, the images of pets's split"):
        data.target_split(source, 13, 0, "none", 0)


def test_gray_images_are_kept_in_one_channel_and_given_in_all(tmp_path, rng):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(6):
            pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    one, three = (pools.Source("", str(tmp_path), (8, 8, channels)) for channels in (1, 3))
    assert data._drawn(three, 5, 4, 0, False)[0].shape == (5, 8, 8, 1)
    plain, noisy = (data.target_split(three, 5, 4, shift, 0) for shift in ("none", "noise=0.1"))
    expected = data.target_split(one, 5, 4, "none", 0)
    # Without colors a picture is weighted from three channels, and the weights are not exactly 1 together.
    np.testing.assert_allclose(plain.test_x, np.repeat(expected.test_x, 3, axis=-1), rtol=2e-4)
    np.testing.assert_array_equal(plain.test_x, np.repeat(plain.test_x[..., :1], 3, axis=-1))
    np.testing.assert_array_equal(plain.train_y, expected.train_y)
    first = plain.train_x[0].copy()
    plain.train_x[0] = 0  # not what is kept
    assert (noisy.train_x[..., 0] != noisy.train_x[..., 1]).mean() > 0.5  # noise of each channel's own
    again = data.target_split(three, 5, 4, "none", 0)
    np.testing.assert_array_equal(again.train_x[0], first)


def test_colored_images_keep_their_channels(source):
    assert data._drawn(source, 5, 4, 0, False)[0].shape == (5, 8, 8, 3)


def test_a_process_that_runs_nothing_drops_its_images(source):
    data.target_split(source, 5, 4, "none", 0)
    assert min(data._drawn.cache_info().currsize, pools.pool.cache_info().currsize) >= 1
    data.forget()
    assert data._drawn.cache_info().currsize == pools.pool.cache_info().currsize == 0


def test_only_drawn_images_are_read(source, monkeypatch):
    whole = data.target_split(source, 5, 4, "noise=0.1", 0)
    for cache in (pools.pool, data._drawn):
        cache.cache_clear()
    monkeypatch.setattr(pools, "KEPT", 0)
    read, files = pools.read, []
    monkeypatch.setattr(pools, "read", lambda some, *others: files.extend(some) or read(some, *others))
    drawn = data.target_split(source, 5, 4, "noise=0.1", 0)
    assert len(files) == 9
    for field in ("train_x", "train_y", "test_x", "test_y"):
        np.testing.assert_array_equal(getattr(drawn, field), getattr(whole, field))


def test_a_data_set_that_is_large_is_read_where_it_is_drawn(monkeypatch):
    whole = data.target_split(TINY.target, 20, 10, "none", 3)
    for cache in (pools.pool, data._drawn):
        cache.cache_clear()
    monkeypatch.setattr(pools, "KEPT", 0)
    drawn = data.target_split(TINY.target, 20, 10, "none", 3)
    np.testing.assert_array_equal(drawn.train_x, whole.train_x)
    np.testing.assert_array_equal(drawn.test_y, whole.test_y)


def test_what_does_not_fit_is_streamed_and_trains_to_the_same(source, monkeypatch):
    whole = data.target_split(source, 0, 0, "none", 0).changed(lambda images: images - 0.5)
    for cache in (pools.pool, data._drawn):
        cache.cache_clear()
    for limit in ("KEPT", "IN_MEMORY"):
        monkeypatch.setattr(pools, limit, 0)
    streamed = data.target_split(source, 0, 0, "none", 0).changed(lambda images: images - 0.5)
    assert isinstance(streamed.train_x, Stream)
    results = []
    for split in (whole, streamed):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
        training.compiled(model, "adam")
        history = training.fit(model, split.train_x, split.train_y, batch_size=8, seed=1, epochs=2)
        accuracy = training.accuracy(model, split.test_x, split.test_y, 8)
        results.append((history["loss"], accuracy, training.predict(model, split.test_x, 8)))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-6)
    assert results[1][1] == results[0][1]
    np.testing.assert_allclose(results[1][2], results[0][2], rtol=1e-5)


def test_noise_of_a_stream_is_each_images_own(source, monkeypatch):
    pools.pool.cache_clear(), data._drawn.cache_clear()
    for limit in ("KEPT", "IN_MEMORY"):
        monkeypatch.setattr(pools, limit, 0)
    clean, noisy = (data.target_split(source, 0, 0, shift, 0).train_x for shift in ("none", "noise=0.5"))
    np.testing.assert_array_equal(noisy[2:4], noisy[:6][2:4])
    noise = noisy[:6] - clean[:6]
    assert noise.std() > 0.1
    assert (noise[0] != noise[1]).any()


def test_unreadable_files_are_left_out_of_both_parts(source, tmp_path):
    for i in (0, 1):
        (tmp_path / "pets" / "cat" / f"{i}.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="2 of 34 that cannot"):
        data.target_split(source, 0, 0, "none", 0)
    with pytest.warns(UserWarning, match="Left out"):
        split = data.target_split(dataclasses.replace(source, skip_unreadable=True), 0, 0, "none", 0)
    assert len(split.train_x) + len(split.test_x) == 32


def test_a_worker_does_not_say_again_which_files_are_left_out(source, tmp_path, monkeypatch):
    (tmp_path / "pets" / "cat" / "0.png").write_bytes(b"no image")
    monkeypatch.setattr(pools.multiprocessing, "parent_process", multiprocessing.current_process)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split = data.target_split(dataclasses.replace(source, skip_unreadable=True), 0, 0, "none", 0)
    assert len(split.train_x) + len(split.test_x) == 33


def test_the_overview_says_what_is_fed(source, tmp_path, capsys):
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.GlobalAveragePooling2D()])
    model.layers[-2].moving_variance.assign([1e-6] * 4)
    model.save(tmp_path / "mine.keras")
    (tmp_path / "pets" / "gnu").mkdir()
    options = {"model": str(tmp_path / "mine.keras"), "data_dir": source.folder, "train_images": 0}
    config = dataclasses.replace(TINY, **options, test_images=0, shifts=("none",))
    transfer.check(config)
    said = capsys.readouterr().out
    assert "mine.keras: 0..255 (its layer Rescaling)" in said
    assert "34 in 4 classes (cat 20, dog 10, eel 3, fox 1)" in said
    assert "8 x 8; fed as 8 x 8 x 3" in said
    assert "24 to train on, 10 to test on" in said
    assert "Skipped: gnu: empty" in said
    assert "Warning: the first BatchNormalization" in said
    x = np.float32([0.0, 1.0]).reshape(2, 1, 1, 1)
    assert networks.preprocessing(config)(x).ravel().tolist() == [0, 255]
    overview.say.cache_clear()


@pytest.mark.parametrize("option", ["audit", "dry_run"])
def test_neither_audit_nor_dry_run_needs_an_image(option, tmp_path):
    transfer.check(dataclasses.replace(TINY, data_dir=str(tmp_path / "nowhere"), **{option: True}))
