"""The house: imports go downwards, without circles, and files and functions stay short."""

import ast
import collections
import functools
import graphlib
import re
from collections.abc import Iterable
from pathlib import Path

import keras
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
    "tfbn.choosing",
    "tfbn.models",
    "tfbn.datasets",
    "tfbn.summary",
    "tfbn.callbacks",
    "tfbn.tensorboard_plugin",
    "tfbn.cli",
)
FLOORS = ("experiments.lab", "experiments.training")
# Those that are made of others, as `claims`, load them by name, through the catalog.
EXPERIMENTS = sorted(
    f"experiments.{path.parent.name}" for path in (ROOT / "experiments").glob("*/__main__.py")
)
# The only package that may touch a private name of Keras.
INTERNALS = "tfbn.graph.keras_internals"
ORDER = (*WINGS, *FLOORS)
MOST_LINES, MOST_FUNCTION_LINES = 300, 40
FILES = sorted(path for name in ("tfbn", "experiments") for path in (ROOT / name).rglob("*.py"))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def wing_of(module: str) -> str | None:
    """The wing, floor or experiment that a module is in; None for a package's own `__init__`."""
    return next((wing for wing in (*ORDER, *EXPERIMENTS) if f"{module}.".startswith(f"{wing}.")), None)


def imported(path: Path, nodes: Iterable[ast.AST] | None = None) -> set[str]:
    """Every name that a file imports (or that some nodes of it do), relative ones resolved."""
    package = module_of(path).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text())) if nodes is None else nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *([node.module] if node.module else [])]
            names |= {".".join([*base, alias.name]) for alias in node.names}
    return names


@functools.cache
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


def test_no_test_sleeps():
    """Tests wait for what they need, with `tests.waiting.until`."""
    sleeping = [p for p in (ROOT / "tests").rglob("*.py") if re.search(r"\bsleep\(", p.read_text())]
    assert sleeping == [ROOT / "tests" / "waiting.py"]


def test_contributing_shows_the_house_from_the_top_down():
    house = (ROOT / "CONTRIBUTING.md").read_text().partition("```\ntfbn/\n")[2].partition("experiments/\n")[0]
    shown = re.findall(r"(\w+)/(?=  )", house)
    order = [wing.removeprefix("tfbn.") for wing in reversed(WINGS)]
    assert [name for name in shown if name not in ("datasets", "models")] == [
        name for name in order if name not in ("datasets", "models")
    ]
    assert {"datasets", "models"} <= {*shown}
    assert f"{INTERNALS.removeprefix('tfbn.')} and nowhere else" in house


def test_every_module_has_its_wing():
    homeless = [p for p in FILES if p.name != "__init__.py" and wing_of(module_of(p)) is None]
    assert not homeless


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


def listed_in_all(tree: ast.Module) -> list[str]:
    """The functions, classes and modules that a package exports, without its constants."""
    values = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AugAssign)
        and "__all__" in ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
    ]
    return [name for value in values for name in ast.literal_eval(value) if not name.isupper()]


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_says_what_is_public(wing):
    """It exports names that are in the reference, or says that it is internal."""
    tree = ast.parse((ROOT / wing.replace(".", "/") / "__init__.py").read_text())
    reference = (ROOT / "docs/reference/index.md").read_text()
    public = listed_in_all(tree)
    assert public or "Internal" in ast.get_docstring(tree)
    assert {*public} <= {*re.findall(r"^   (?:\w+\.)*(\w+)$", reference, re.MULTILINE)}


HEAVY = ("keras", "matplotlib", "pandas", "pyarrow", "scipy", "sklearn", "tensorflow", "tensorflow_datasets")


def imports_at_the_top(path: Path) -> set[str]:
    """What a file imports whenever it is imported itself, resolved to modules of the project where it can."""
    tree = ast.parse(path.read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return imported(path, top)


def imported_for_types(path: Path) -> set[str]:
    """What a file imports for annotations alone."""
    blocks = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.If)]
    return imported(path, [inner for block in blocks for inner in block.body])


@functools.cache
def light_modules() -> frozenset[str]:
    """The modules that flags are read with: every `__main__` of the experiments, and what it imports."""
    modules = {module_of(path): path for path in FILES}
    waiting, found = [f"{experiment}.__main__" for experiment in EXPERIMENTS], set()
    while waiting:
        module = waiting.pop()
        if module in found or not module.startswith("experiments."):
            continue
        found.add(module)
        names = imports_at_the_top(modules[module])
        waiting += [name for name in names if name in modules]
        waiting += [parent for name in names if (parent := name.rpartition(".")[0]) in modules]
    return frozenset(found)


def test_what_reads_flags_imports_nothing_heavy():
    paths = [path for path in FILES if module_of(path) in light_modules()]
    assert len(paths) > len(EXPERIMENTS)
    for path in paths:
        heavy = [name for name in imports_at_the_top(path) if name.partition(".")[0] in HEAVY]
        assert not heavy, path


def test_all_else_in_experiments_imports_at_the_top():
    """Where Keras and pandas are loaded anyway, a late import saves nothing."""
    for path in FILES:
        module = module_of(path)
        if not module.startswith("experiments.") or module in light_modules():
            continue
        late = imported(path) - imports_at_the_top(path) - imported_for_types(path)
        loaded = ("experiments", "keras", "pandas", "tfbn")
        assert not [name for name in late if name.partition(".")[0] in loaded], path


@functools.cache
def private_names_of_keras() -> frozenset[str]:
    """Every attribute with an underscore that the installed Keras has, as `_inbound_nodes`."""
    sources = (Path(keras.__file__).parent / "src").rglob("*.py")
    return frozenset(name for path in sources for name in re.findall(r"\._([a-z]\w+)", path.read_text()))


def private_names_used(tree: ast.Module) -> set[str]:
    """Private names of Keras in a file: imports from `keras.src`, attributes and their names as text."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    own |= {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
    own |= {
        n.target.id for n in ast.walk(tree) if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    }
    parts_of_text = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }
    used = {node.attr for node in attributes} - own
    used |= {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts_of_text
    }
    found = {name for name in used if name[:1] == "_" and name[1:] in private_names_of_keras()}
    modules = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    modules += [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
    return found | {name for name in modules if name.startswith("keras.src")}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("layer._inbound_nodes", {"_inbound_nodes"}),
        ('getattr(layer, "_seed_generators")', {"_seed_generators"}),
        ("from keras.src.backend import compute_output_spec", {"keras.src.backend"}),
        ("class A:\n    def f(self):\n        self._layers = []\n        return self._layers", set()),
        ('name = f"{block}_conv"; layer.weights; layer._no_such_thing_in_keras', set()),
    ],
)
def test_a_private_name_is_seen(source, found):
    assert private_names_used(ast.parse(source)) == found


@pytest.mark.parametrize("path", [p for p in FILES if not module_of(p).startswith(INTERNALS)], ids=module_of)
def test_private_names_of_keras_are_in_one_package(path):
    assert not private_names_used(ast.parse(path.read_text()))


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
