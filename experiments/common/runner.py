"""Runs the cells of an experiment that are not stored yet, and stores them."""

import concurrent.futures
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.common import executor as executors
from experiments.common.experiment import Cell, Experiment, RunConfig
from experiments.common.store import Store

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
            holds a result that cannot be read. Nothing was touched.
    """
    store = Store(folder)
    store.check(experiment.name, config)
    store.open(experiment.name, config)
    cells = experiment.cells(config)
    rows = {cell: store.result(cell) for cell in cells}
    missing = [cell for cell in cells if rows[cell] is None]
    rows.update(_run_all(experiment, config, store, missing, done=len(cells) - len(missing)))
    return _write_tables(experiment, store, [rows[cell] for cell in cells])


def _run_all(
    experiment: Experiment, config: RunConfig, store: Store, cells: list[Cell], done: int
) -> dict[Cell, dict[str, Any]]:
    rows: dict[Cell, dict[str, Any]] = {}
    with _progress() as progress, executors.make(config.workers) as executor:
        task = progress.add_task(experiment.name, total=len(cells) + done, completed=done)
        futures = {executor.submit(run_cell, experiment, config, cell, store.folder): cell for cell in cells}
        try:
            for future in concurrent.futures.as_completed(futures):
                rows[futures[future]] = future.result()
                progress.advance(task)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    return rows


def run_cell(experiment: Experiment, config: RunConfig, cell: Cell, folder: Path) -> dict[str, Any]:
    """Does one run and stores it. Called in a worker process."""
    store = Store(folder)
    started = time.perf_counter()
    measurements = experiment.run(config, cell, store.begin(cell))
    return store.finish(cell, {**measurements, "seconds": time.perf_counter() - started})


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
    import pandas as pd

    cell = Cell(row["condition"], row["arm"], row["seed"])
    path = store.runs / cell.folder / f"{name}.parquet"
    if not path.exists():
        return None
    table = pd.read_parquet(path)
    for i, key in enumerate(("condition", "arm", "seed")):
        table.insert(i, key, row[key])
    return table


def _progress() -> Any:
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left:"),
        progress.TimeRemainingColumn(elapsed_when_finished=False),
        console=Console(file=sys.stderr),
    )
