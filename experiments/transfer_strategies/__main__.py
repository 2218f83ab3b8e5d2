"""Which part of a pretrained network should train: everything, its last layers, or only a new layer on top?

Each strategy, and a network from scratch, is crossed with what BatchNorm does:
all of it in inference mode (training=False), or all of it normalizing by the batch and
updating (training=True). Accuracy in inference mode against the time of the training, and
against the number of target images, at a fixed number of steps. Where the frozen layers'
mode allows, their outputs are computed once. The default runs offline in about six minutes
on two cores.

--model=EfficientNetLite0 starts from ImageNet's weights and has more arms: the last one, two or three
blocks train, or a new layer on the outputs of the old classifier. Each arm uses the learning rate that
does best on validation images, and arms normalized by the batch are also evaluated at Keras's default
momentum. That takes hours on two cores, and minutes on a GPU with KERAS_BACKEND=torch and --workers=14;
--quick is a first look.
"""

import dataclasses
from typing import Any

from ..lab import binary
from ..lab.experiment import Cell, grid, in_folder
from ..lab.options import option
from ..training.options import TransferConfig
from .arms import ARMS, BLOCKS, CROSSED
from .defaults import AUTO, RATES, UNSET, with_defaults


@dataclasses.dataclass(frozen=True)
class Config(TransferConfig):
    """Options of the comparison of strategies; `defaults.with_defaults` sets those that depend on the
    network."""

    arms: tuple = option(
        (AUTO,), "Arms to compare; auto: those of the network's design.", choices=(AUTO, *ARMS)
    )
    shift: str = option("none", "Shift of the target, such as none, contrast=0.3 or noise=0.3.")
    frozen: tuple = option((), "Patterns or stages that last_* freezes; every stage but the last if empty.")
    dataset: str = option(
        AUTO, "Target: any TFDS name; auto: mnist5k with ImageNet's weights, else uci_digits."
    )
    draws: str = option(
        AUTO,
        "Images of the seeds: random, each seed draws from all; disjoint, no image is in two seeds' draws; "
        "auto: disjoint with ImageNet's weights.",
        choices=(AUTO, "random", "disjoint"),
    )
    train_images: tuple = option(  # type: ignore[assignment]
        UNSET, "Numbers of target images to train on; 0: 25,100,500 with ImageNet's weights, else up to 1000."
    )
    test_images: int = option(0, "Target images to test on; 0: 300 with ImageNet's weights, else 700.", low=0)
    tuned: str = option(
        AUTO,
        "Whether each arm's learning rate is chosen on validation images, and arms by the batch are judged "
        "at Keras's default momentum too; auto: with ImageNet's weights.",
        choices=(AUTO, "never", "always"),
    )
    validation_images: int = option(200, "Target images to choose the learning rate by, where tuned.", low=1)
    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    epochs: int = option(6, "How often the accuracy is measured.", low=2)
    steps: int = option(20, "Training steps from one measurement to the next.", low=1)
    learning_rate: float = option(
        5e-3, "Learning rate of Adam where none is chosen: a new layer on top, and from scratch.", low=0
    )
    tuning_rate: float = option(
        1e-3, "Learning rate of Adam where none is chosen: pretrained layers train.", low=0
    )
    quick: bool = option(False, "A first look: the fewest images, fewer seeds and steps.")

    def __post_init__(self) -> None:
        if self.quick and not self.work_dir:  # a folder is for one configuration
            object.__setattr__(self, "work_dir", "runs/transfer_strategies_quick")

    @property
    def shifts(self) -> tuple[str, ...]:
        return (self.shift,)

    @property
    def is_tuned(self) -> bool:
        """Whether learning rates are chosen; needs `with_defaults`."""
        return self.tuned == "always"

    def rates(self, strategy: str) -> tuple[float, ...]:
        """The learning rates to choose from."""
        if self.is_tuned:
            return RATES[strategy]
        return (self.tuning_rate if strategy in ("everything", "last", *BLOCKS) else self.learning_rate,)

    def alone(self, images: int, strategy: str) -> Any:
        """The options of one run, as any other transfer-learning run takes them.

        Where learning rates are chosen, all numbers of images are parts of one draw, whose last images
        are those to choose by.
        """
        drawn = max(self.train_images) + self.validation_images if self.is_tuned else images
        rate = self.rates(strategy)[0]
        return dataclasses.replace(self, train_images=drawn, learning_rate=rate)  # type: ignore[arg-type]


def cells(config: Config) -> list[Cell]:
    """Every run; if learning rates are chosen, runs take long and are ordered by the number of images."""
    config = with_defaults(config)
    conditions = {f"images={n}": {"images": n} for n in config.train_images}
    arms = {arm: CROSSED[arm] for arm in config.arms}
    found = grid(conditions, arms, config.seeds)
    order = list(conditions)
    return sorted(found, key=lambda cell: order.index(cell.condition)) if config.is_tuned else found


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
