"""Which BatchNorm mode should I choose for my frozen network and my data?

Short paired training runs with each mode, on your network (--model, --weights, --frozen) and your
images (--data_dir, a folder of class folders, or --dataset, any TFDS name), end in one
recommendation with its interval, or in "no difference that these data can show". They are
raced: after three seeds, modes that can no longer win stop. Half of the test images choose, the
others evaluate the choice. The default, on the data that comes with the package, takes about two
minutes on two cores.
"""

import dataclasses

from ..lab import binary
from ..lab.experiment import Cell, Later, in_folder
from ..lab.options import option
from ..training.arms import ARMS
from ..training.options import ArmConfig
from ..training.reuse import arm_by_arm

LEAST_SEEDS = 3  # before an arm may stop
MODES = ("inference", "batch", "inference_updating", "recalibrated")


@dataclasses.dataclass(frozen=True)
class Config(ArmConfig):
    """Options of the choice."""

    arms: tuple = option(
        MODES, "Modes to try; the first is what the others have to beat.", choices=tuple(ARMS)
    )
    shifts: tuple = option(
        ("none",),
        "The change of the images under which modes are compared, such as contrast=0.3, noise=0.3, blur=1.5, "
        "inversion; or none: the images as they are.",
    )
    audit: bool = option(False, "Print what every BatchNorm will do, mode by mode, and stop.")


def cells(config: Config) -> list[Cell]:
    """The seeds that every arm runs with; the others follow for the arms that can still win."""
    return arm_by_arm(config.shifts, config.arms, min(config.seeds, LEAST_SEEDS))


EXPERIMENT = in_folder(
    __package__,
    question="Which BatchNorm mode should I choose for my frozen network and my data?",
    config_class=Config,
    cells=cells,
    more=Later(__package__, ".runs", "more"),
    metrics=("test_accuracy", "converged_accuracy"),
    tables=("drift", "tried"),
    audit=Later(__package__, "..training.transfer", "audit"),
    arms={name: ARMS[name].says for name in MODES},
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
