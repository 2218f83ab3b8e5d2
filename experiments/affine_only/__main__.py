"""Is it enough to train BatchNorm's gamma and beta, and a new layer on top?

No convolution trains, but gamma and beta do, with the moving statistics either held in inference
mode or updated while the batch normalizes. For comparison: training everything and training only
the new layer, in both modes; and gamma and beta of a network that was never pretrained. The
default runs offline in about five minutes on two cores.
"""

import dataclasses

from ..lab import binary
from ..lab.experiment import Cell, Later, in_folder
from ..lab.options import option
from ..training.arms import AFFINE
from ..training.options import SHIFTS, ArmConfig
from ..training.reuse import arm_by_arm


@dataclasses.dataclass(frozen=True)
class Config(ArmConfig):
    """Options of the comparison."""

    arms: tuple = option(tuple(AFFINE), "Arms to compare.", choices=tuple(AFFINE))
    shifts: tuple = option(
        ("none", "contrast=0.3"),
        SHIFTS,
    )
    tuning_rate: float = option(1e-3, "Learning rate of Adam where pretrained kernels train.", low=0)


def cells(config: Config) -> list[Cell]:
    return arm_by_arm(config.shifts, config.arms, config.seeds)


EXPERIMENT = in_folder(
    __package__,
    question="Is it enough to train BatchNorm's gamma and beta, and a new layer on top?",
    config_class=Config,
    check=Later(__package__, "..training.transfer", "check_arm"),
    cells=cells,
    arms={name: arm.says for name, arm in AFFINE.items()},
    metrics=("test_accuracy", "converged_accuracy"),
    tables=(),  # the drift of each run stays in its folder
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
