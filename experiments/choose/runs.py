"""The trials of `choose`, and which of them continue."""

import functools
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd

from tfbn.utils.files import written_whole
from tfbn.utils.validation import fail

from ..lab.experiment import Cell
from ..training import evaluation, transfer
from ..training.arms import ARMS
from . import race
from .__main__ import LEAST_SEEDS, Config

TABLE = "tried"


def check(config: Config) -> None:
    if len(config.arms) < 2:
        raise fail("arms", "to name at least two, to compare", config.arms)
    if len(config.shifts) > 1:
        raise fail("shifts", "to name one", config.shifts)
    if config.seeds < LEAST_SEEDS:
        raise fail("seeds", f"to be at least {LEAST_SEEDS}", config.seeds)
    transfer.check_arm(config)


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    judge = functools.partial(_judged, folder)
    return transfer.run_arm(config, ARMS[cell.arm], cell.condition, cell.seed, folder, judge)


def more(config: Config, results: pd.DataFrame, folder: Path) -> list[Cell]:
    """The next seed, with the arms that can still win; none when all seeds ran, or one arm is left."""
    tried = pd.read_parquet(folder / f"{TABLE}.parquet")
    seeds = sorted(results.seed.unique())
    last = results[results.seed == seeds[-1]]
    arms = [arm for arm in config.arms if (last.arm == arm).any()]
    if len(seeds) >= config.seeds or len(arms) < 2:
        return []
    arms = race.can_win(tried, arms, config.seeds - LEAST_SEEDS)
    if len(arms) < 2:
        return []
    return [Cell(config.shifts[0], arm, int(seeds[-1]) + 1) for arm in arms]


def _judged(
    folder: Path, model: Any, split: Any, batch_size: int, fit_by_batch: bool, known: Hashable = None
) -> dict[str, float]:
    """The accuracies, and in the run's folder on which images each head was right."""
    inference, batch = evaluation.both_modes(model, split, batch_size, known)
    fit_sees = batch if fit_by_batch else inference
    tried = race.tried_on(
        {
            race.SHORT: inference[1][1].argmax(-1) == split.test_y,
            race.CONVERGED: evaluation.right_when_converged(
                fit_sees[0][0], split.train_y, inference[1][0], split.test_y
            ),
        }
    )
    with written_whole(folder / f"{TABLE}.parquet") as temporary:
        tried.to_parquet(temporary, index=False)
    return evaluation.of_outputs(inference, batch, split, fit_by_batch)
