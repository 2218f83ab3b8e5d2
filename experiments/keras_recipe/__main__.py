"""Does base(x, training=False) keep BatchNorm in inference mode in the Keras installed here?

The transfer-learning guide's recipe, step by step: train a head (BatchNorm, Dropout,
Dense) on a frozen base, then unfreeze the base and fine-tune with a small learning rate.
The model is written in several ways, with stock Keras and with tfbn. After each step:
which moving statistics moved, layer by layer, whether the head's BatchNorm and Dropout
were in training mode, and the accuracy. Runs with the Keras that Python imports.
The default runs offline in about five minutes on two cores.
"""

import dataclasses

from ..lab import binary
from ..lab.experiment import Cell, grid, in_folder
from ..lab.options import option
from ..training.options import SHIFTS, TransferConfig
from .arms import RECIPES


@dataclasses.dataclass(frozen=True)
class Config(TransferConfig):
    """Options of the recipe."""

    arms: tuple = option(tuple(RECIPES), "Ways to write the model.", choices=tuple(RECIPES))
    shifts: tuple = option(
        ("none", "contrast=0.3"),
        SHIFTS,
    )
    fine_tuning_epochs: int = option(5, "Epochs after unfreezing.", low=1)
    fine_tuning_rate: float = option(5e-4, "Adam's learning rate after unfreezing.", low=0.0)
    dropout: float = option(0.2, "Share of the features that the head's Dropout drops.", low=0.01, high=0.99)


def cells(config: Config) -> list[Cell]:
    return grid(config.shifts, config.arms, config.seeds)


EXPERIMENT = in_folder(
    __package__,
    question="Does base(x, training=False) keep BatchNorm in inference mode in the Keras installed here?",
    config_class=Config,
    cells=cells,
    arms={name: recipe.says for name, recipe in RECIPES.items()},
    tables=("layers",),
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
