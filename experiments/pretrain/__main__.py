"""Which weights do the transfer-learning experiments start from?

    python -m experiments.pretrain --output=tfbn/models/pretrained_weights

recreates the packaged weights: five networks in about three minutes on two cores.
"""

import dataclasses
from typing import TYPE_CHECKING

from ..lab import binary
from ..lab.experiment import Cell, Later, RunConfig, grid, in_folder
from ..lab.options import option

if TYPE_CHECKING:
    from ..training.pools import Source


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    """Options of the pretraining."""

    model: str = option("resnet8", "Network of tfbn.models, such as resnet8 or resnet20.")
    dataset: str = option("mnist5k", "Source: any TFDS name.")
    image_size: int = option(28, "Height and width of the images in pixels.", low=8)
    channels: int = option(1, "1 for gray images, 3 for colored ones.", low=1, high=3)
    test_images: int = option(1000, "Images held out.", low=1)
    epochs: int = option(8, "Epochs.", low=1)
    batch_size: int = option(64, "Images in a batch.", low=1)
    learning_rate: float = option(3e-3, "Peak learning rate of Adam, falling along a cosine.", low=0.0)
    output: str = option("", "Folder for the weights; the runs' own folders if empty.")

    @property
    def source(self) -> "Source":
        from ..training.pools import Source

        return Source(self.dataset, "", (self.image_size, self.image_size, self.channels))


def cells(config: Config) -> list[Cell]:
    return grid([config.dataset], [config.model], config.seeds)


EXPERIMENT = in_folder(
    __package__,
    question="Which weights do the transfer-learning experiments start from?",
    config_class=Config,
    cells=cells,
    summarize=Later(__package__, ".runs", "summarize"),
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
