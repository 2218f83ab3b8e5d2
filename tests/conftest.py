"""What every test shares: seeds, and the names that docstring examples may use."""

import experiments  # noqa: F401, I001  first: it makes TensorFlow quiet
import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(7)


@pytest.fixture(autouse=True, scope="module")
def _cleared():
    yield
    keras.backend.clear_session()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
