"""The house: imports go downwards, without circles, and files and functions stay short."""

import ast
import collections
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# From the ground up: each may import from those above it in this list.
WINGS = (
    "tfbn.utils",
    "tfbn.graph",
    "tfbn.layers",
    "tfbn.statistics",
    "tfbn.transforms",
    "tfbn.auditing",
    "tfbn.diagnosis",
    "tfbn.models",
    "tfbn.datasets",
    "tfbn.summary",
    "tfbn.callbacks",
    "tfbn.tensorboard_plugin",
)
FLOORS = ("experiments.lab", "experiments.training")
# Those that are made of others, as `claims`, load them by name, through the catalog.
EXPERIMENTS = sorted(
    f"experiments.{path.parent.name}" for path in (ROOT / "experiments").glob("*/__main__.py")
)
ORDER = (*WINGS, *FLOORS)
MOST_LINES, MOST_FUNCTION_LINES = 300, 40
FILES = sorted(path for name in ("tfbn", "experiments") for path in (ROOT / name).rglob("*.py"))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def wing_of(module: str) -> str | None:
    """The wing, floor or experiment that a module is in; None for a package's own `__init__`."""
    return next((wing for wing in (*ORDER, *EXPERIMENTS) if f"{module}.".startswith(f"{wing}.")), None)


def imported(path: Path) -> set[str]:
    """Every name that a file imports, relative ones resolved."""
    package = module_of(path).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *([node.module] if node.module else [])]
            names |= {".".join([*base, alias.name]) for alias in node.names}
    return names


def arrows() -> dict[str, dict[str, str]]:
    """Which wing imports from which, each with one import that shows it."""
    found: dict[str, dict[str, str]] = collections.defaultdict(dict)
    for path in FILES:
        wing = wing_of(module_of(path))
        for name in imported(path) if wing else ():
            other = wing_of(name)
            if other and other != wing:
                found[wing][other] = f"{path.relative_to(ROOT)} imports {name}"
    return found


def test_relative_imports_are_resolved():
    path = ROOT / "experiments" / "depth" / "__main__.py"
    assert any(name.startswith("experiments.lab.") for name in imported(path))


def test_every_module_has_its_wing():
    homeless = [p for p in FILES if p.name != "__init__.py" and wing_of(module_of(p)) is None]
    assert {path.relative_to(ROOT).as_posix() for path in homeless} <= {
        "experiments/quiet_tensorflow.py",
        "tfbn/cli.py",
    }


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_imports_from_lower_ones_only(wing):
    lower = set(WINGS[: WINGS.index(wing)])
    assert not {text for other, text in arrows()[wing].items() if other not in lower}


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_of_experiments_imports_from_lower_ones_only(floor):
    lower = {*WINGS, *FLOORS[: FLOORS.index(floor)]}
    assert not {text for other, text in arrows()[floor].items() if other not in lower}


def test_the_lab_knows_nothing_of_batch_normalization():
    allowed = {"tfbn.utils", "tfbn.summary"}  # messages, files, and text for TensorBoard
    assert not {text for other, text in arrows()["experiments.lab"].items() if other not in allowed}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_imports_no_other(experiment):
    assert not {text for other, text in arrows()[experiment].items() if other in EXPERIMENTS}


def test_modules_import_in_no_circle():
    modules = {module_of(path): path for path in FILES}
    graph = {
        module: {
            name if name in modules else name.rpartition(".")[0]
            for name in imported(path)
            if name in modules or name.rpartition(".")[0] in modules
        }
        - {module, "tfbn", "experiments"}
        for module, path in modules.items()
        if path.name != "__init__.py"
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert text.count("\n") <= MOST_LINES
    too_long = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            start = first.end_lineno if documented else node.lineno - 1
            if node.end_lineno - start > MOST_FUNCTION_LINES:
                too_long.append(f"{node.name}: {node.end_lineno - start} lines")
    assert not too_long
