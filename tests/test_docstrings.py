"""Every public name says what it does, shows it in an example that runs, and is in the reference."""

import doctest
import functools
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import tfbn
from tests.public_names import has_example, public_names

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(tfbn.__path__, "tfbn.")
    if not module.ispkg or module.name in ("tfbn.layers", "tfbn.summary")
)
REFERENCE = (Path(__file__).parent.parent / "docs" / "reference" / "index.md").read_text()
PUBLIC = public_names()
LISTED = re.findall(r"^   ([\w.]+)$", REFERENCE, re.MULTILINE)
# Packages: what they hold is in the reference, one by one.
PACKAGES = {"tfbn.layers", "tfbn.callbacks", "tfbn.datasets", "tfbn.models", "tfbn.statistics"}
PACKAGES |= {"tfbn.summary", "tfbn.traversal"}


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path):
    module = importlib.import_module(name)
    shared = {"np": np, "keras": keras, "tfbn": tfbn, "folder": tmp_path}
    result = doctest.testmod(
        module, extraglobs=shared, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert result.failed == 0


def test_public_names_are_found():
    assert {"tfbn.freeze", "tfbn.models.build", "tfbn.drift.distances", "tfbn.layers"} <= PUBLIC.keys()
    assert "tfbn.drift.fail" not in PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_has_a_docstring(name):
    first = (inspect.getdoc(PUBLIC[name]) or "").partition("\n")[0]
    assert len(first) > 10, name


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if not inspect.ismodule(value)])
def test_has_an_example(name):
    assert has_example(PUBLIC[name]), name


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - PACKAGES))
def test_has_a_place_in_the_reference(name):
    # The same thing may have two names, as tfbn.traversal and tfbn.graph.traversal.
    assert any(_value_of(listed) is PUBLIC[name] for listed in LISTED), name


def test_the_reference_names_what_there_is():
    assert all(_value_of(name) is not None for name in LISTED)


@functools.cache
def _value_of(name: str) -> object:
    """What a name of the reference leads to, through attributes or modules."""
    value: object = tfbn
    for part in name.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            value = importlib.import_module(f"{value.__name__}.{part}")
    return value
