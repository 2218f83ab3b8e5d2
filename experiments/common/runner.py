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
        `results.parquet` and, if the runs recorded drift, `drift.parquet`.

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
    return _write_tables(store, [rows[cell] for cell in cells])


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


def _write_tables(store: Store, rows: list[Any]) -> "pd.DataFrame":
    import pandas as pd

    from tfbn.files import written_whole

    results = pd.DataFrame(rows)
    with written_whole(store.folder / "results.parquet") as temporary:
        results.to_parquet(temporary, index=False)
    parts = []
    for row in rows:
        cell = Cell(row["condition"], row["arm"], row["seed"])
        path = store.runs / cell.folder / "drift.parquet"
        if path.exists():
            part = pd.read_parquet(path)
            part.insert(0, "seed", cell.seed)
            part.insert(0, "arm", cell.arm)
            part.insert(0, "condition", cell.condition)
            parts.append(part)
    if parts:
        drift = pd.concat(parts, ignore_index=True)
        drift = drift.astype(dict.fromkeys(("condition", "arm"), "category"))
        with written_whole(store.folder / "drift.parquet") as temporary:
            drift.to_parquet(temporary, index=False)
    return results


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
