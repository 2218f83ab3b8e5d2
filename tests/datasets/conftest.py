"""One folder of TFDS for all tests here, so that each data set is prepared once."""

import pytest


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    return tmp_path_factory.mktemp("tfds")
