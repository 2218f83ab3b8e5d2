"""Which BatchNorm mode should I choose for my frozen network and my data?

Short paired trials of the modes on your network (--model, --weights, --frozen) and your
images (--data_dir, a folder of class folders, or --dataset, any TFDS name) end in one
recommendation with its interval, or in "no difference that these runs can show".
The default, on the data that come with the package, takes about two minutes on two cores.
"""

import dataclasses
from pathlib import Path

from tfbn.utils.validation import fail

from ..lab import binary
from ..lab.experiment import Cell, Experiment, grid
from ..lab.options import option
from ..training import reuse, transfer
from ..training.arms import ARMS
from .summary import summarize

MODES = ("inference", "batch", "inference_updating", "recalibrated")


@dataclasses.dataclass(frozen=True)
class Config(transfer.ArmConfig):
    """Options of the choice."""

    arms: tuple = option(
        MODES, "Modes to try; the first is what the others have to beat.", choices=tuple(ARMS)
    )
    shifts: tuple = option(
        ("none",),
        "One change of the images, to try the modes under: as contrast=0.3, noise=0.3, blur=1.5, "
        "inversion; or none: the images as they are.",
    )
    audit: bool = option(False, "Print what every BatchNorm will do, mode by mode, and stop.")


def check(config: Config) -> None:
    if len(config.arms) < 2:
        raise fail("arms", "to name at least two, to compare", config.arms)
    if len(config.shifts) > 1:
        raise fail("shifts", "to name one", config.shifts)
    transfer.check_arm(config)


def cells(config: Config) -> list[Cell]:
    return reuse.taking_turns(grid(config.shifts, [arm], config.seeds) for arm in config.arms)


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    return transfer.run_arm(config, ARMS[cell.arm], cell.condition, cell.seed, folder)


EXPERIMENT = Experiment(
    name="choose",
    question="Which BatchNorm mode should I choose for my frozen network and my data?",
    config_class=Config,
    check=check,
    cells=cells,
    run=run,
    summarize=summarize,
    metrics=("test_accuracy", "converged_accuracy"),
    audit=transfer.audit,
    arms={name: ARMS[name].says for name in MODES},
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
