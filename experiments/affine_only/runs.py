"""One run of the comparison."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from ..lab.experiment import Cell
from ..training import transfer
from ..training.arms import AFFINE

if TYPE_CHECKING:
    from .__main__ import Config


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    arm = AFFINE[cell.arm]
    if arm.trainable:
        config = dataclasses.replace(config, learning_rate=config.tuning_rate)
    return transfer.run_arm(config, arm, cell.condition, cell.seed, folder)
