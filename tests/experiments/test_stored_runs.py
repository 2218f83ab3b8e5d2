"""A stored run counts only as what it is; whatever else lies in its place is refused in one line."""

import json
import shutil

import pandas as pd
import pytest

from experiments.lab import binary, stored_files
from experiments.lab.experiment import Cell, grid
from experiments.lab.store import Store
from tests.experiments import small
from tfbn.utils.validation import InputError

RESULT, TABLE = "runs/none/a/seed1/result.json", "runs/none/a/seed{}/drift.parquet"
GOOD = pd.DataFrame({"layer": ["bn"], "mean_shift": [1.0]})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    work = tmp_path_factory.mktemp("finished") / "work"
    binary.answer(small.EXPERIMENT, small.Config(seeds=2, workers=0, work_dir=str(work)))
    return work


@pytest.fixture
def work(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "work")


def refused(work, seeds=2):
    """The message, after which everything lies as it did."""
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*.json")}
    with pytest.raises(InputError) as caught:
        binary.answer(small.EXPERIMENT, small.Config(seeds=seeds, workers=0, work_dir=str(work)))
    assert {path: path.stat().st_mtime_ns for path in work.rglob("result.json")}.items() <= before.items()
    assert len(str(caught.value).splitlines()) == 1
    assert "Expected " in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "target"),
    [("none/a/seed0", "none/a/seed2"), ("none/a/seed1", "none/b/seed1"), ("none", "other")],
    ids=["seed", "arm", "condition"],
)
def test_a_copied_run_is_no_run_of_its_own(source, target, work):
    shutil.rmtree(work / "runs" / target, ignore_errors=True)
    shutil.copytree(work / "runs" / source, work / "runs" / target)
    assert "it is of another run: condition='none', arm='a'" in refused(work, seeds=3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"value": None}, "value is not a number"),
        ({"value": "0.5"}, "value is not a number"),
        ({"value": True}, "value is not a number"),
        ({"value": [0.5]}, "value is not a number"),
        ({"value": 10**400}, "value is not a number"),
        ({"seed": 1.0}, "another run"),
        ({"seed": "1"}, "another run"),
        ({"arm": 3}, "another run"),
    ],
)
def test_a_result_of_other_values(changed, message, work):
    path = work / RESULT
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    assert message in refused(work)


@pytest.mark.parametrize(
    ("name", "message"), [("value", "missing"), ("seconds", "missing"), ("arm", "not the result of a run")]
)
def test_a_result_without_a_measurement(name, message, work):
    row = json.loads((work / RESULT).read_text())
    del row[name]
    (work / RESULT).write_text(json.dumps(row))
    assert message in refused(work)


@pytest.mark.parametrize(
    "text",
    ["", "[1, 2]", "[" * 200_000, '{"a":' * 200_000 + "1" + "}" * 200_000, "9" * 5000],
    ids=["empty", "list", "nested", "nested objects", "digits"],
)
@pytest.mark.parametrize("name", [RESULT, "manifest.json"])
def test_a_file_that_is_no_result(name, text, work):
    (work / name).write_text(text)
    refused(work)


@pytest.mark.parametrize(
    "odd",
    [
        GOOD.assign(condition="none"),
        GOOD.assign(mean_shift="far"),
        GOOD[["layer"]],
        b"PAR1" + bytes(50) + b"PAR1",
        b"PAR1" + b"x" * 50 + b"\xff\xff\xff\x7fPAR1",
        b"PAR1",
        b"",
    ],
    ids=["condition", "text", "columns", "zeros", "lengths", "end", "empty"],
)
def test_an_odd_table(odd, work):
    GOOD.to_parquet(work / TABLE.format(0))
    if isinstance(odd, bytes):
        (work / TABLE.format(1)).write_bytes(odd)
    else:
        odd.to_parquet(work / TABLE.format(1))
    assert TABLE.format(1) in refused(work)


def test_tables_of_one_kind_are_put_together(work):
    """Whatever the order of their columns."""
    for seed, columns in enumerate((GOOD.columns, GOOD.columns[::-1])):
        GOOD[columns].to_parquet(work / TABLE.format(seed))
    binary.answer(small.EXPERIMENT, small.Config(seeds=2, workers=0, work_dir=str(work)))
    table = pd.read_parquet(work / "drift.parquet")
    assert table[["arm", "seed", "mean_shift"]].astype({"arm": str}).to_numpy().tolist() == [
        ["a", 0, 1.0],
        ["a", 1, 1.0],
    ]


@pytest.mark.parametrize("exists", [True, False])
def test_a_lock_that_is_a_link_is_not_followed(exists, work, tmp_path):
    target = tmp_path / "precious"
    if exists:
        target.write_text("kept")
    (work / ".lock").unlink()
    (work / ".lock").symlink_to(target)
    refused(work)
    assert target.exists() == exists
    assert not exists or target.read_text() == "kept"


def test_a_cell_has_its_parameters_in_the_row_and_not_in_the_folder(tmp_path):
    (cell,) = grid({"110 layers": {"depth": 110}}, {"plain": {"shortcuts": False}}, seeds=1)
    assert cell == Cell("110 layers", "plain", 0, (("depth", 110), ("shortcuts", False)))
    store = Store(tmp_path)
    with store.begun(cell) as unfinished:
        row = store.finish(cell, unfinished, {"error": 0.5, "seconds": 1.0})
    assert row == store.result(cell)
    assert row == {**cell.row(), "error": 0.5, "seconds": 1.0}
    assert cell.folder == "110 layers/plain/seed0"
    # A study that goes on reads the rows before it knows its cells.
    assert stored_files.read_row(store.path_of(cell, "result.json")) == row
    other = Cell("110 layers", "plain", 0, (("depth", 20), ("shortcuts", False)))
    with pytest.raises(InputError, match="another run"):
        store.result(other)
