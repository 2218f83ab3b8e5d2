"""Does BatchNorm speed up training, allow larger learning rates, and replace dropout?

One network with BatchNorm, without, with dropout before the last layer instead, and with
both, over learning rates of plain SGD, paired by seed: the steps to a given accuracy, the
largest rate that still trains, and the test accuracy at each arm's best rate.
The default runs offline in about four minutes on two cores.
"""

import dataclasses

from ..lab import binary
from ..lab.experiment import Cell, in_folder
from ..lab.options import option
from ..training.options import ScratchConfig
from ..training.reuse import arm_by_arm

ARMS = {
    "batchnorm": "with BatchNorm",
    "neither": "without BatchNorm, without dropout",
    "dropout": "dropout instead of BatchNorm",
    "both": "with BatchNorm and dropout",
}


@dataclasses.dataclass(frozen=True)
class Config(ScratchConfig):
    """Options of the study of convergence."""

    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    arms: tuple = option(tuple(ARMS), "Networks to compare.", choices=tuple(ARMS))
    model: str = option("plain8", "The network, a builder of tfbn.")
    rates: tuple = option((0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0), "Learning rates of SGD.", low=0.0)
    train_images: int = option(1000, "Images to train on.", low=1)
    test_images: int = option(1500, "Images held out; the first third chooses the rate.", low=3)
    batch_size: int = option(32, "Images in a batch.", low=1)
    steps: int = option(300, "Training steps.", low=1)
    every: int = option(20, "Steps from one measurement to the next.", low=1)
    target: float = option(0.8, "The accuracy to reach, a share of the images.", low=0.0, high=1.0)
    dropout: float = option(0.4, "The share of the features that dropout drops.", low=0.01, high=0.99)

    @property
    def conditions(self) -> dict[str, dict[str, float]]:
        """The learning rate of each condition."""
        return {f"rate {rate:g}": {"rate": rate} for rate in self.rates}


def cells(config: Config) -> list[Cell]:
    return arm_by_arm(config.conditions, config.arms, config.seeds)


EXPERIMENT = in_folder(
    __package__,
    question="Does BatchNorm speed up training, allow larger learning rates, and replace dropout?",
    config_class=Config,
    cells=cells,
    arms=ARMS,
    metrics=("steps_to_target", "test_accuracy"),
    tables=("curve",),
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
