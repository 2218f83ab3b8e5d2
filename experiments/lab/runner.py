"""Runs the cells of an experiment that are not stored yet, and stores them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import dispatch
from .experiment import Cell, Experiment, RunConfig
from .store import Store

if TYPE_CHECKING:
    import pandas as pd


def run(experiment: Experiment, config: RunConfig, folder: Path) -> "pd.DataFrame":
    """Runs what is missing and returns one row for each cell.

    Args:
        experiment: What to run.
        config: Its options, checked.
        folder: The work folder.

    Returns:
        The results in the order of `experiment.cells(config)`; also written to
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
        cells = experiment.cells(config)
        rows = {cell: store.result(cell) for cell in cells}
        missing = [cell for cell in cells if rows[cell] is None]
        rows |= dispatch.run_all(experiment, config, store, missing, done=len(cells) - len(missing))
        return _write_tables(experiment, store, [rows[cell] for cell in cells])


def _write_tables(experiment: Experiment, store: Store, rows: list[Any]) -> "pd.DataFrame":
    import pandas as pd

    results = pd.DataFrame(rows)
    store.write_table("results", results)
    for name in experiment.tables:
        parts = [part for row in rows if (part := _table_of(store, name, row)) is not None]
        if parts:
            table = pd.concat(parts, ignore_index=True)
            store.write_table(name, table.astype(dict.fromkeys(("condition", "arm"), "category")))
    return results


def _table_of(store: Store, name: str, row: dict[str, Any]) -> "pd.DataFrame | None":
    """A table that one run left, with the run's own columns in front; None if it left none."""
    table = store.table(Cell(row["condition"], row["arm"], row["seed"]), name)
    if table is None:
        return None
    for i, key in enumerate(("condition", "arm", "seed")):
        table.insert(i, key, row[key])
    return table
