"""Which part of a pretrained network should train: everything, its last layers, or only a new layer on top?

Each strategy, and a network from scratch, is crossed with what BatchNorm does:
all of it in inference mode (training=False), or all of it normalizing by the batch and
updating (training=True). Accuracy in inference mode against the time of the training, and
against the number of target images, at a fixed number of steps. Where the frozen layers'
mode allows, their outputs are computed once. The default runs offline in about six minutes
on two cores.
"""

import dataclasses
from typing import Any

from ..lab import binary
from ..lab.experiment import Cell, grid, in_folder
from ..lab.options import option
from ..training.options import TransferConfig
from .arms import ARMS, CROSSED


@dataclasses.dataclass(frozen=True)
class Config(TransferConfig):
    """Options of the comparison of strategies."""

    arms: tuple = option(tuple(ARMS), "Arms to compare.", choices=tuple(ARMS))
    shift: str = option("none", "Shift of the target, as none, contrast=0.3 or noise=0.3.")
    frozen: tuple = option((), "Patterns or stages that last_* freezes; every stage but the last if empty.")
    train_images: tuple = option(  # type: ignore[assignment]
        (25, 100, 300, 1000), "Numbers of target images to train on.", low=1
    )
    test_images: int = option(700, "Target images to test on.", low=1)
    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    epochs: int = option(6, "How often the accuracy is measured.", low=2)
    steps: int = option(20, "Training steps from one measurement to the next.", low=1)
    learning_rate: float = option(5e-3, "Learning rate of Adam: a new layer on top, and from scratch.", low=0)
    tuning_rate: float = option(1e-3, "Learning rate of Adam where pretrained layers train.", low=0)

    @property
    def shifts(self) -> tuple[str, ...]:
        return (self.shift,)

    def alone(self, images: int, strategy: str) -> Any:
        """The options of one run, as any other transfer-learning run takes them."""
        tuned = strategy in ("everything", "last")
        rate = self.tuning_rate if tuned else self.learning_rate
        return dataclasses.replace(self, train_images=images, learning_rate=rate)  # type: ignore[arg-type]


def cells(config: Config) -> list[Cell]:
    conditions = {f"images={n}": {"images": n} for n in config.train_images}
    return grid(conditions, {arm: CROSSED[arm] for arm in config.arms}, config.seeds)


EXPERIMENT = in_folder(
    __package__,
    question="Which part of a pretrained network should train: everything, its last layers, or a new layer?",
    config_class=Config,
    cells=cells,
    arms={name: arm.says for name, arm in ARMS.items()},
    metrics=("test_accuracy", "fit_seconds"),
    tables=("curve",),
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
