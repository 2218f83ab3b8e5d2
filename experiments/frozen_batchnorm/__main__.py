"""With frozen layers, what does BatchNorm do with training=True, and what with training=False?

Every arm starts from the same pretrained network and trains on the same few images of
a shifted target, paired by seed. Each is judged in inference mode, at a short budget
and with a converged head. The default runs offline in about three minutes on two cores.
"""

import dataclasses
import functools

from ..lab import binary
from ..lab.experiment import Cell, Experiment, Later, grid
from ..lab.options import option
from ..training import arms
from ..training.options import ArmConfig
from ..training.reuse import taking_turns


@dataclasses.dataclass(frozen=True)
class Config(ArmConfig):
    """Options of the main job."""

    arms: tuple = option(tuple(arms.ARMS), "Arms to compare.", choices=tuple(arms.ARMS))
    shifts: tuple = option(
        ("contrast=0.3", "noise=0.3"),
        "Shifts of the target, as contrast=0.3, noise=0.3, blur=1.5, inversion or none.",
    )
    audit: bool = option(False, "Print what every BatchNorm will do, arm by arm, and stop.")


def cells(config: Config) -> list[Cell]:
    return taking_turns(grid(config.shifts, [arm], config.seeds) for arm in config.arms)


later = functools.partial(Later, __package__)

EXPERIMENT = Experiment(
    name="frozen_batchnorm",
    question="With frozen layers, what does BatchNorm do with training=True, and what with training=False?",
    config_class=Config,
    check=later("..training.transfer", "check_arm"),
    cells=cells,
    run=later(".runs", "run"),
    summarize=later(".summary", "summarize"),
    metrics=("test_accuracy", "converged_accuracy"),
    audit=later("..training.transfer", "audit"),
    arms={name: arm.says for name, arm in arms.ARMS.items()},
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
