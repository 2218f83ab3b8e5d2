"""The runs of the main job."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..lab.experiment import Cell, grid
from ..training import frozen_runs, transfer
from ..training.arms import ARMS
from ..training.reuse import arm_by_arm, taking_turns
from .defaults import with_defaults

if TYPE_CHECKING:
    from .__main__ import Config


def check(config: "Config") -> None:
    """Raises `InputError` if the options cannot work."""
    transfer.check_arm(with_defaults(config))


def audit(config: "Config") -> str:
    """What every BatchNormalization will do, arm by arm."""
    return transfer.audit(with_defaults(config))


def cells(config: "Config") -> list[Cell]:
    """Every run. Where arms share what the network computes, those of a seed follow each other."""
    config = with_defaults(config)
    if config.share_features == "never":
        return arm_by_arm(config.shifts, config.arms, config.seeds)
    whole = grid(config.shifts, config.arms, config.seeds)
    units = dict.fromkeys((cell.seed, cell.condition) for cell in sorted(whole, key=lambda cell: cell.seed))
    return taking_turns([cell for cell in whole if (cell.seed, cell.condition) == unit] for unit in units)


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    """Does one run; returns its measurements."""
    config, arm = with_defaults(config), ARMS[cell.arm]
    run_arm = frozen_runs.run_arm if frozen_runs.serves(config, arm) else transfer.run_arm
    return run_arm(config, arm, cell.condition, cell.seed, folder)
