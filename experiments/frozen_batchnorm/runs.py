"""One run of the main job."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..lab.experiment import Cell
from ..training import transfer
from ..training.arms import ARMS

if TYPE_CHECKING:
    from .__main__ import Config


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    return transfer.run_arm(config, ARMS[cell.arm], cell.condition, cell.seed, folder)
