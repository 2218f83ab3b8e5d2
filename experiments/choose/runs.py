"""The trials of `choose`."""

from pathlib import Path
from typing import TYPE_CHECKING

from tfbn.utils.validation import fail

from ..lab.experiment import Cell
from ..training import transfer
from ..training.arms import ARMS

if TYPE_CHECKING:
    from .__main__ import Config


def check(config: "Config") -> None:
    if len(config.arms) < 2:
        raise fail("arms", "to name at least two, to compare", config.arms)
    if len(config.shifts) > 1:
        raise fail("shifts", "to name one", config.shifts)
    transfer.check_arm(config)


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    return transfer.run_arm(config, ARMS[cell.arm], cell.condition, cell.seed, folder)
