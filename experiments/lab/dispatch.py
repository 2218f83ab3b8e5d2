"""Sends runs to workers until each has been stored or has failed."""

import concurrent.futures
import contextlib
import functools
import multiprocessing
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tfbn.utils.validation import InputError

from . import executor as executors
from . import transport
from .experiment import Cell, Experiment, RunConfig
from .store import Store
from .workers import LostWorkerError, give_back_memory

Row = dict[str, Any]
SHORT = 2.0  # seconds; to give memory back takes a quarter of one
IDLE_ROUNDS = 5  # rounds in which workers died and no run was finished


class FailedRunsError(Exception):
    """Some runs failed. The results of the others are stored.

    Args:
        failures: The error of each run.
    """

    def __init__(self, failures: dict[Cell, Exception]):
        self.failures = failures
        listed = "; ".join(f"{cell.folder}: {type(e).__name__}: {e}" for cell, e in failures.items())
        super().__init__(
            f"{len(failures)} run(s) failed, the others are stored. The same command tries them again. "
            f"{listed}"
        )

    def details(self) -> str:
        """The traceback of the first failure; empty if the machine's state is the cause."""
        first = next(iter(self.failures.values()))
        return "" if isinstance(first, OSError) else "".join(traceback.format_exception(first))


def run_all(
    experiment: Experiment, config: RunConfig, store: Store, cells: list[Cell], done: int
) -> dict[Cell, Row]:
    """Runs every cell once, on the executor that the options name.

    A run whose worker died is started again. A run that fails is not, and the others still run.

    Args:
        experiment: What to run.
        config: Its options.
        store: Where the runs are stored.
        cells: The runs.
        done: How many are stored already, for the progress bar.

    Raises:
        FailedRunsError: Some failed, or workers die again and again.
        InputError: A run found the options invalid.
    """
    rows: dict[Cell, Row] = {}
    failures: dict[Cell, Exception] = {}
    idle = 0
    with _progress() as progress:
        task = progress.add_task(experiment.name, total=len(cells) + done, completed=done)
        while waiting := [cell for cell in cells if cell not in rows and cell not in failures]:
            before = len(rows)
            lost = LostWorkerError("workers died again and again")
            for cell, outcome in _round(experiment, config, store, waiting):
                if isinstance(outcome, LostWorkerError):
                    lost = outcome
                elif isinstance(outcome, InputError):
                    raise outcome
                elif isinstance(outcome, Exception):
                    failures[cell] = outcome
                else:
                    rows[cell] = outcome
                    progress.advance(task)
            idle = idle + 1 if len(rows) == before else 0
            if idle >= IDLE_ROUNDS:
                failures |= {cell: lost for cell in waiting if cell not in failures}
    if failures:
        raise FailedRunsError(failures)
    return rows


def _round(
    experiment: Experiment, config: RunConfig, store: Store, cells: list[Cell]
) -> Iterator[tuple[Cell, Row | Exception]]:
    """Submits every cell to a new executor and yields the outcome of each as it arrives."""
    if config.results == "return":
        run: Callable[[Cell], Any] = functools.partial(run_cell_elsewhere, experiment, config)
        receive: Callable[[Cell, Any], Row] = functools.partial(_received, store)
    else:
        run = functools.partial(run_cell, experiment, config, store.folder.absolute())
        receive = _stored
    with contextlib.suppress(LostWorkerError), executors.make(config, experiment.uses_tensorflow) as executor:
        futures = {executor.submit(run, cell): cell for cell in cells}
        for future in concurrent.futures.as_completed(futures):
            try:
                yield futures[future], receive(futures[future], executors.result_of(future))
            except Exception as error:
                yield futures[future], error


def run_cell(experiment: Experiment, config: RunConfig, folder: Path, cell: Cell) -> Row:
    """Executes a run and stores it in a work folder. Called on a worker."""
    store = Store(folder)
    started = time.perf_counter()
    with store.begun(cell) as unfinished:
        measurements = experiment.run(config, cell, unfinished)
        seconds = time.perf_counter() - started
        row = store.finish(cell, unfinished, {**measurements, "seconds": seconds})
    if multiprocessing.parent_process() is not None and seconds > SHORT:
        give_back_memory()
    return row


def run_cell_elsewhere(experiment: Experiment, config: RunConfig, cell: Cell) -> tuple[Row, bytes]:
    """Executes a run without a work folder; returns its row, and its files as bytes."""
    with transport.temporary_folder() as folder:
        row = run_cell(experiment, config, folder, cell)
        return row, transport.packed(Store(folder).runs / cell.folder)


def _stored(cell: Cell, row: Row) -> Row:
    return row  # the worker has stored it itself


def _received(store: Store, cell: Cell, outcome: tuple[Row, bytes]) -> Row:
    row, data = outcome
    with store.begun(cell) as unfinished:
        transport.unpack(data, unfinished)
        return store.finish(cell, unfinished, row)


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
