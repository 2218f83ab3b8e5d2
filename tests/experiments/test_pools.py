"""Drawn images of a TFDS data set that do not fit into memory are read in parts and kept on disk."""

import numpy as np
import pytest

from experiments.training import data, pools
from tfbn.datasets import Stream


def forget():
    pools.pool.cache_clear()
    data._drawn.cache_clear()


@pytest.fixture
def small_memory(monkeypatch):
    """Two images of UCI's digits fit into memory, three do not."""
    source = pools.Source("uci_digits", "", (28, 28, 1))
    monkeypatch.setattr(pools, "KEPT", 0)
    monkeypatch.setattr(pools, "IN_MEMORY", source.bytes_of(2))
    forget()
    yield source
    forget()


def test_the_images_are_the_same_as_in_memory(small_memory, monkeypatch):
    rows = np.array([7, 3, 1500, 40, 2])
    images, labels = pools.pool(small_memory).get(rows)
    assert isinstance(images, Stream)
    assert images.shape == (5, 28, 28, 1)
    monkeypatch.setattr(pools, "IN_MEMORY", 2**29)
    forget()
    expected, expected_labels = pools.pool(small_memory).get(rows)
    assert isinstance(expected, np.ndarray)
    np.testing.assert_array_equal(images[:], expected)
    np.testing.assert_array_equal(images[[4, 0]], expected[[4, 0]])
    np.testing.assert_array_equal(labels, expected_labels)
    assert expected.std() > 0


def test_a_split_is_shifted_and_batched(small_memory, monkeypatch):
    split = data.target_split(small_memory, 6, 4, "contrast=0.3", seed=1)
    monkeypatch.setattr(pools, "IN_MEMORY", 2**29)
    forget()
    plain = data.target_split(small_memory, 6, 4, "none", seed=1)
    np.testing.assert_allclose(split.train_x[:], np.float32(0.3) * plain.train_x[:], rtol=1e-6)
    np.testing.assert_array_equal(split.test_y, plain.test_y)
    batches = list(split.test_x.dataset(3, labels=split.test_y).as_numpy_iterator())
    assert [len(x) for x, _ in batches] == [3, 1]
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), plain.test_y)
