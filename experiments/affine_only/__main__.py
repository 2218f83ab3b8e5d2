"""Is it enough to train BatchNorm's gamma and beta, and a new layer on top?

Of every convolution's weights, none train; gamma and beta do, with the moving statistics
held in inference mode or normalizing by the batch and updating. For comparison, the two
extremes, everything and only the new layer, in both modes; and gamma and beta of a network
that was never pretrained. The default runs offline in about five minutes on two cores.
"""

import dataclasses
import functools

from ..lab import binary
from ..lab.experiment import Cell, Experiment, Later, grid
from ..lab.options import option
from ..training.arms import AFFINE
from ..training.options import ArmConfig
from ..training.reuse import taking_turns


@dataclasses.dataclass(frozen=True)
class Config(ArmConfig):
    """Options of the comparison."""

    arms: tuple = option(tuple(AFFINE), "Arms to compare.", choices=tuple(AFFINE))
    shifts: tuple = option(
        ("none", "contrast=0.3"),
        "Shifts of the target, as contrast=0.3, noise=0.3, blur=1.5, inversion or none.",
    )
    tuning_rate: float = option(1e-3, "Learning rate of Adam where pretrained kernels train.", low=0)


def cells(config: Config) -> list[Cell]:
    return taking_turns(grid(config.shifts, [arm], config.seeds) for arm in config.arms)


later = functools.partial(Later, __package__)

EXPERIMENT = Experiment(
    name="affine_only",
    question="Is it enough to train BatchNorm's gamma and beta, and a new layer on top?",
    config_class=Config,
    check=later("..training.transfer", "check_arm"),
    cells=cells,
    run=later(".runs", "run"),
    summarize=later(".summary", "summarize"),
    arms={name: arm.says for name, arm in AFFINE.items()},
    metrics=("test_accuracy", "converged_accuracy"),
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
