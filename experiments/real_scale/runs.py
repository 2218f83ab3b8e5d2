"""From a cell of the study to a table of its arms."""

import functools
import time
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from tfbn.models import lite_weights

from ..lab.origin import commit
from ..training import devices
from ..training.extractor import Extractor, Follower, Source
from . import conditions, frozen, targets, tuning, updating
from .arms import FAMILY, UPDATING


def condition_of(config: Any, name: str) -> conditions.Condition:
    """The condition of that name, with the options applied."""
    condition = conditions.named(name)
    return conditions.quick(condition) if config.quick else condition


def check(config: Any) -> None:
    """Raises `InputError` if weights or images of the chosen conditions are missing."""
    names = [name for name in config.conditions if not config.quick or name in conditions.QUICK]
    for name in names:
        condition = condition_of(config, name)
        if condition.target == "photographs":
            targets.check_photographs(config.photographs)
        elif condition.target == "fashion_mnist":
            targets.pool(condition.target, condition.size, "")
    if any(conditions.named(name).network != "resnet8" for name in names):
        lite_weights.find("EfficientNetLite0")


def run(config: Any, cell: Any, folder: Path) -> dict[str, float]:
    """Runs every arm of a cell; leaves `arms.parquet`, a row for each; returns the first one's numbers."""
    keras.utils.set_random_seed(cell.seed)
    condition = condition_of(config, cell.condition)
    images = targets.pool(condition.target, condition.size, config.photographs)
    started = time.process_time()
    if cell.arm == FAMILY:
        rows = frozen.run(condition, cell.seed, images, _source(Extractor, condition, cell.seed))
    elif cell.arm == UPDATING:
        rows = updating.run(condition, cell.seed, images, _source(Follower, condition, cell.seed))
    else:
        rows = tuning.run(condition, cell.seed, images, cell.arm)
    origin = {"commit": commit(Path(__file__).parent), "machine": devices.in_use()}
    cost = {"cpu_seconds": time.process_time() - started}
    pd.DataFrame([{**row, **cost, **origin} for row in rows]).to_parquet(folder / "arms.parquet", index=False)
    return {key: rows[0][key] for key in ("test_accuracy", "validation_accuracy")}


def _source(kind: Any, condition: conditions.Condition, seed: int) -> Any:
    """The network: one for all seeds, except that ResNet-8 has different weights for each seed."""
    by_seed = seed if condition.network == "resnet8" else 0
    return _kept_source(kind, condition.network, condition.size, by_seed)


@functools.lru_cache(maxsize=1)
def _kept_source(kind: Any, network: str, size: int, seed: int) -> Source:
    return kind(targets.network(conditions.Condition("", "", network, size=size), seed))
