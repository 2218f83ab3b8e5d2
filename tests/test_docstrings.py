"""Every public name says what it does, shows it in an example that runs, and is in the reference."""

import doctest
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
    listed = set(re.findall(r"^   ([\w.]+)$", REFERENCE, re.MULTILINE))
    # The same thing may be public under two names, as tfbn.freeze and tfbn.layers.BatchNormalization.
    same = {other for other, value in PUBLIC.items() if value is PUBLIC[name]}
    assert {other.removeprefix("tfbn.") for other in same} & listed, name


def test_the_reference_names_what_there_is():
    for name in re.findall(r"^   ([\w.]+)$", REFERENCE, re.MULTILINE):
        assert _found(f"tfbn.{name}"), name


def _found(name: str) -> bool:
    """Whether a dotted name leads somewhere, through attributes or modules."""
    value = tfbn
    for part in name.split(".")[1:]:
        try:
            value = getattr(value, part)
        except AttributeError:
            value = importlib.import_module(f"{value.__name__}.{part}")
    return value is not None
