"""With frozen layers, what does BatchNorm do with training=True, and what with training=False?

Every arm starts from the same pretrained network and trains on the same few images of
a shifted target, paired by seed. Each is judged in inference mode, at a short budget
and with a converged head. The default runs offline in about three minutes on two cores.
"""

import dataclasses

from ..lab import binary
from ..lab.experiment import Cell, Later, in_folder
from ..lab.options import option
from ..training import arms
from ..training.options import SHIFTS, ArmConfig
from ..training.reuse import arm_by_arm


@dataclasses.dataclass(frozen=True)
class Config(ArmConfig):
    """Options of the main job."""

    arms: tuple = option(tuple(arms.ARMS), "Arms to compare.", choices=tuple(arms.ARMS))
    shifts: tuple = option(
        ("contrast=0.3", "noise=0.3"),
        SHIFTS,
    )
    audit: bool = option(False, "Print what every BatchNorm will do, arm by arm, and stop.")


def cells(config: Config) -> list[Cell]:
    return arm_by_arm(config.shifts, config.arms, config.seeds)


EXPERIMENT = in_folder(
    __package__,
    question="With frozen layers, what does BatchNorm do with training=True, and what with training=False?",
    config_class=Config,
    check=Later(__package__, "..training.transfer", "check_arm"),
    cells=cells,
    metrics=("test_accuracy", "converged_accuracy"),
    audit=Later(__package__, "..training.transfer", "audit"),
    arms={name: arm.says for name, arm in arms.ARMS.items()},
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
