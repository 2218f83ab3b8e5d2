"""The overhead of the runner: runs that do nothing, and reading stored ones."""

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import Row, row
from experiments.lab import runner
from experiments.lab.experiment import Cell, Experiment, RunConfig, grid


def run_cell(config: RunConfig, cell: Cell, folder: Path) -> dict[str, float]:
    return {"value": float(cell.seed)}


def summarize(config: RunConfig, results: Any, folder: Path) -> Any:
    raise AssertionError("a study that is only run has no summary")


NOTHING = Experiment(
    name="nothing",
    question="What does the runner cost?",
    config_class=RunConfig,
    check=lambda config: None,
    cells=lambda config: grid(["none"], ["a", "b"], config.seeds // 2),
    run=run_cell,
    summarize=summarize,
)


def study(runs: int) -> tuple[float, float]:
    """Seconds per run, of executing this many and of reading them from the store."""
    config = dataclasses.replace(RunConfig(), seeds=runs, workers=0)
    with tempfile.TemporaryDirectory() as folder:
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            found = len(runner.run(NOTHING, config, Path(folder)))
            seconds.append((time.perf_counter() - start) / found)
    return seconds[0], seconds[1]


def run(quick: bool) -> list[Row]:
    few, many, most = (4, 8, 16) if quick else (500, 2_000, 10_000)
    study(few)  # loads modules first
    studies = {runs: study(runs) for runs in (few, many, most)}
    doing = {runs: seconds[:1] for runs, seconds in studies.items()}
    reading = {runs: seconds[1:] for runs, seconds in studies.items()}
    return [
        row("a run that does nothing", f"one of {few:,}", f"one of {many:,}", (doing[few], doing[many]),
            target=1.2),
        row("a run that does nothing", f"one of {few:,}", f"one of {most:,}", (doing[few], doing[most]),
            target=1.2),
        row("reading a stored run", f"one of {few:,}", f"one of {most:,}", (reading[few], reading[most]),
            target=1.2),
    ]  # fmt: skip
