"""Which BatchNorm mode should I choose for my frozen network and my data?

Short paired trials of the modes on your network (--model, --weights, --frozen) and your
images (--data_dir, a folder of class folders, or --dataset, any TFDS name) end in one
recommendation with its interval, or in "no difference that these runs can show".
The default, on the data that come with the package, takes about two minutes on two cores.
"""

import dataclasses
from pathlib import Path

from experiments.common import binary, transfer
from experiments.common.arms import ARMS
from experiments.common.experiment import Cell, Experiment, grid
from experiments.common.options import option
from experiments.summaries.choose import summarize

MODES = ("inference", "batch", "inference_updating", "recalibrated")


@dataclasses.dataclass(frozen=True)
class Config(transfer.TransferConfig):
    """Options of the choice."""

    arms: tuple = option(
        MODES, "Modes to try; the first is what the others have to beat.", choices=tuple(ARMS)
    )
    shifts: tuple = option(("none",), "A shift of the images, to try the modes under; just one.")
    audit: bool = option(False, "Print what every BatchNorm will do, mode by mode, and stop.")


def cells(config: Config) -> list[Cell]:
    return grid(config.shifts, config.arms, config.seeds)


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    return transfer.run_arm(config, ARMS[cell.arm], cell.condition, cell.seed, folder)


EXPERIMENT = Experiment(
    name="choose",
    question="Which BatchNorm mode should I choose for my frozen network and my data?",
    config_class=Config,
    check=transfer.check,
    cells=cells,
    run=run,
    summarize=summarize,
    metrics=("test_accuracy", "converged_accuracy"),
    audit=transfer.audit,
    arms={name: ARMS[name].says for name in MODES},
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
