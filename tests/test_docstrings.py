"""Every example in a docstring runs, and every public module has its examples found."""

import doctest
import importlib
import pkgutil

import keras
import numpy as np
import pytest

import tfbn

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(tfbn.__path__, "tfbn.")
    if not module.ispkg or module.name == "tfbn.layers"
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path):
    module = importlib.import_module(name)
    shared = {"np": np, "keras": keras, "tfbn": tfbn, "folder": tmp_path}
    result = doctest.testmod(
        module, extraglobs=shared, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert result.failed == 0
