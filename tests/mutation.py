"""Mutation testing: small faults are put into a module one at a time; its tests have to see each.

    python -m tests.mutation                              every module of the core
    python -m tests.mutation tfbn/layers/modes.py         some
    python -m tests.mutation --limit=40 tfbn/layers       at most 40 mutants of each, drawn evenly

TensorFlow is imported once; each mutant runs in a fork, through an import hook, so that no file
changes. Prints the share that was seen by module, and each that was not.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

CORE = ("tfbn/layers", "tfbn/statistics", "tfbn/transforms", "tfbn/auditing", "tfbn/callbacks/step_ring.py")
# A module's tests, by folder, where they are not the whole folder that mirrors its own.
FILES = {
    "tests/layers": {
        "fused": "held_gradient fused_obstacles closed_forms",
        "modes": "modes batch_statistics_in_inference",
        "step_folding": "step_folding",
    },
    "tests/statistics": {
        "drift": "drift",
        "mismatch": "mismatch inner_graphs",
        "moments": "snapshots recalibration",
        "snapshots": "snapshots mismatch",
        "two_modes": "two_modes",
        "population": "recalibration inner_graphs data_kinds",
        "recalibration": "recalibration",
        "replaced_statistics": "recalibration data_kinds",
    },
    "tests/transforms": {
        "conversion": "conversion",
        "features": "features",
        "folded_model": "folding_inside folding",
        "folded_weights": "folding_inside folding",
        "folding": "folding_inside folding",
        "freeze_warnings": "saved_modes freezing",
        "freezing": "freezing",
        "frozen_prefix": "features features_inside",
        "joining": "late_start optimizer_state",
        "linear": "folding_inside folding",
        "optimizer_limits": "late_start",
        "optimizer_state": "late_start optimizer_state",
        "retracing": "retracing",
        "saved_modes": "saved_modes",
    },
}
# Tests of a module that lie elsewhere.
TESTS = {
    "tfbn/callbacks/step_ring.py": "tests/callbacks/test_drift_recorder.py",
    "tfbn/transforms/preprocessed.py": "tests/statistics/test_preprocessing.py",
} | {
    f"{folder.replace('tests', 'tfbn')}/{module}.py": " ".join(f"{folder}/test_{n}.py" for n in names.split())
    for folder, modules in FILES.items()
    for module, names in modules.items()
}
PAIRS = [
    (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.Eq, ast.NotEq), (ast.Lt, ast.GtE), (ast.Gt, ast.LtE),
    (ast.Is, ast.IsNot), (ast.In, ast.NotIn), (ast.And, ast.Or),
]  # fmt: skip
SWAPPED: dict[type, type] = dict(PAIRS) | {other: one for one, other in PAIRS}


def mutants(source: str) -> list[tuple[str, ast.Module]]:
    """Every mutant of a source: where and what, and its tree."""
    count = sum(1 for _ in _places(ast.parse(source)))
    return [_mutant(source, number) for number in range(count)]


def _places(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPPED:
            yield node, "operator"
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
            yield node, "comparison"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, "not"
        elif isinstance(node, ast.Constant) and type(node.value) in (bool, int, float):
            yield node, "constant"
        elif isinstance(node, ast.If | ast.IfExp):
            yield node, "condition"


def _mutant(source: str, number: int) -> tuple[str, ast.Module]:
    tree = ast.parse(source)
    node, kind = list(_places(tree))[number]
    before = ast.unparse(node)[:60]
    if kind == "operator":
        node.op = SWAPPED[type(node.op)]()  # type: ignore[attr-defined]
    elif kind == "comparison":
        node.ops[0] = SWAPPED[type(node.ops[0])]()  # type: ignore[attr-defined]
    elif kind == "constant":
        value = node.value  # type: ignore[attr-defined]
        node.value = not value if isinstance(value, bool) else value + 1  # type: ignore[attr-defined]
    elif kind == "condition":
        node.test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node)  # type: ignore[attr-defined]
    else:
        node.op = ast.UAdd()  # type: ignore[attr-defined]
        node.operand = ast.copy_location(  # type: ignore[attr-defined]
            ast.Call(ast.Name("bool", ast.Load()), [copy.copy(node.operand)], []),
            node,  # type: ignore[attr-defined]
        )
    shown = f"line {node.lineno}: {before.splitlines()[0]} ({kind})"  # type: ignore[attr-defined]
    return shown, ast.fix_missing_locations(tree)


class _Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a tree."""

    def __init__(self, path: Path, tree: ast.Module):
        self._name = ".".join(path.with_suffix("").parts)
        self._path, self._tree = path, tree

    def find_spec(self, name, path=None, target=None):
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self._path.absolute(), loader=self)

    def exec_module(self, module):
        exec(compile(self._tree, str(self._path), "exec"), module.__dict__)


def is_seen(path: Path, tree: ast.Module, tests: list[str], seconds: float) -> bool:
    """Whether the tests fail, or take longer than given, with the module made from this tree."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1), os.dup2(silent, 2)
        sys.meta_path.insert(0, _Hook(path, tree))
        import pytest

        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not long", *tests])
        os._exit(int(code))
    ended, _, _ = select.select([os.pidfd_open(child)], [], [], seconds)
    if not ended:
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) != 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", default=list(CORE))
    parser.add_argument("--limit", type=int, default=0, help="Mutants of each module; 0: all.")
    parser.add_argument("--least", type=float, default=0.95, help="The share that has to be seen.")
    options = parser.parse_args(arguments)
    import tensorflow  # noqa: F401  once, for every fork; nothing runs in it before

    files = sorted(
        p
        for name in options.modules
        for p in (Path(name).rglob("*.py") if Path(name).is_dir() else [Path(name)])
    )
    seen = total = 0
    for path in files:
        found = mutants(path.read_text())
        step = max(1, len(found) // options.limit) if options.limit else 1
        chosen = found[::step]
        tests = TESTS.get(str(path), str(Path("tests") / path.parent.name)).split()
        started = time.monotonic()
        if not chosen or is_seen(path, ast.parse(path.read_text()), tests, 1e4):
            print(f"{path}: {'no mutants' if not chosen else 'its tests fail without any fault'}", flush=True)
            continue
        seconds = 5 * (time.monotonic() - started) + 10
        alive = [shown for shown, tree in chosen if not is_seen(path, tree, tests, seconds)]
        seen, total = seen + len(chosen) - len(alive), total + len(chosen)
        print(f"{path}: {len(chosen) - len(alive)} of {len(chosen)} seen", flush=True)
        print("".join(f"  alive: {shown}\n" for shown in alive), end="", flush=True)
    print(f"{seen} of {total} mutants seen")
    return int(total == 0 or seen < options.least * total)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
