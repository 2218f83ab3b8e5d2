"""Runs the cells of an experiment that are not stored yet, and stores them."""

from pathlib import Path
from typing import Any

import pandas as pd

from tfbn.utils.validation import fail

from . import dispatch, stored_files
from .experiment import Cell, Experiment, RunConfig
from .store import Store


def run(experiment: Experiment, config: RunConfig, folder: Path) -> pd.DataFrame:
    """Runs what is missing and returns one row for each cell.

    Args:
        experiment: What to run.
        config: Its options, already checked.
        folder: The work folder.

    Returns:
        The results in the order of `experiment.cells(config)`, then of what it adds; also written to
        `results.parquet`, and the runs' own tables (as `drift`) to a file each.

    Raises:
        InputError: The folder is of another configuration, cannot be written, or
            holds a result that cannot be read (nothing was touched), or another process
            is at work in it.
        FailedRunsError: Some runs failed; the others are stored.
    """
    store = Store(folder)
    store.check(experiment.name, config)
    with store.opened(experiment.name, config):
        rows: dict[Cell, Any] = {}
        cells = experiment.cells(config)
        while True:
            rows |= {cell: store.result(cell) for cell in cells}
            missing = [cell for cell in cells if rows[cell] is None]
            rows |= dispatch.run_all(experiment, config, store, missing, done=len(rows) - len(missing))
            results = _write_tables(experiment, store, rows)
            cells = [cell for cell in experiment.more(config, results, folder) if cell not in rows]
            if not cells:
                return results


def gather(experiment: Experiment, config: RunConfig, folder: Path) -> pd.DataFrame:
    """The results of the runs that a study has finished so far, written as `run` writes all of them.

    Args:
        experiment: What was run.
        config: Its options.
        folder: The work folder; what it says of the machine stays.

    Raises:
        InputError: A result cannot be read, or there is none.
    """
    store = Store(folder)
    store.check(experiment.name, config)
    rows = {cell: row for cell in experiment.cells(config) if (row := store.result(cell)) is not None}
    if not rows:
        raise fail("work_dir", "to be the folder of a study with at least one finished run", str(folder))
    return _write_tables(experiment, store, rows)


def _write_tables(experiment: Experiment, store: Store, rows: dict[Cell, Any]) -> pd.DataFrame:
    results = pd.DataFrame(list(rows.values()))
    store.write_table("results", results)
    for name in experiment.tables:
        parts = {cell: part for cell in rows if (part := store.table(cell, name)) is not None}
        stored_files.check_alike({store.path_of(cell, f"{name}.parquet"): t for cell, t in parts.items()})
        if parts:
            table = pd.concat([_of_run(cell, part) for cell, part in parts.items()], ignore_index=True)
            store.write_table(name, table.astype(dict.fromkeys(("condition", "arm"), "category")))
    return results


def _of_run(cell: Cell, table: pd.DataFrame) -> pd.DataFrame:
    """A table that a run left, with the columns that identify the run in front."""
    names = [name for name in cell.row() if name not in table.columns]
    for i, name in enumerate(names):
        table.insert(i, name, cell.row()[name])
    return table
