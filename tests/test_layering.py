"""Imports go downwards only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("tfbn", "experiments.findings", "experiments.running", "experiments.common", "experiments")


# The package itself, whose binaries the catalogue finds by their names, and what it imports first.
ALLOWED = {"experiments", "experiments.quiet_tensorflow"}


def layer_of(module: str) -> int | None:
    """The number of the layer that a module is in; None of a module that is not ours."""
    if module.startswith("experiments.summaries"):  # what it says of an experiment is part of it
        return len(LAYERS) - 1
    found = [i for i, name in enumerate(LAYERS) if f"{module}.".startswith(f"{name}.")]
    return found[0] if found else None


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("layer", range(len(LAYERS)))
def test_no_module_imports_from_a_layer_above(layer):
    files = [p.relative_to(ROOT) for name in ("tfbn", "experiments") for p in (ROOT / name).rglob("*.py")]
    modules = {path: ".".join(path.with_suffix("").parts) for path in files if path.name != "__init__.py"}
    mine = [path for path, module in modules.items() if layer_of(module) == layer]
    assert len(mine) >= 5
    upwards = {
        (str(path), name)
        for path in mine
        for name in imported(ROOT / path)
        if name not in ALLOWED and (layer_of(name) or 0) > layer
    }
    assert not upwards
