"""Which weights do the transfer-learning experiments start from?

    python -m experiments.pretrain --output=tfbn/models/pretrained_weights

makes the packaged weights anew: five networks in about three minutes on two cores.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from tfbn.utils.validation import fail

from ..lab import binary
from ..lab.experiment import Cell, Experiment, RunConfig, Summary, grid
from ..lab.intervals import interval
from ..lab.options import option
from ..training import pretraining
from ..training.data import Source, check_source, source_split

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    """Options of the pretraining."""

    model: str = option("resnet8", "Network of tfbn.models, as resnet8 or resnet20.")
    dataset: str = option("mnist5k", "Source: any TFDS name.")
    image_size: int = option(28, "Height and width of the images in pixels.", low=8)
    channels: int = option(1, "1 for gray images, 3 for colored ones.", low=1, high=3)
    test_images: int = option(1000, "Images held out.", low=1)
    epochs: int = option(8, "Epochs.", low=1)
    batch_size: int = option(64, "Images in a batch.", low=1)
    learning_rate: float = option(3e-3, "Peak learning rate of Adam, falling along a cosine.", low=0.0)
    output: str = option("", "Folder for the weights; the runs' own folders if empty.")

    @property
    def source(self) -> Source:
        return Source(self.dataset, "", (self.image_size, self.image_size, self.channels))


def cells(config: Config) -> list[Cell]:
    return grid([config.dataset], [config.model], config.seeds)


def check(config: Config) -> None:
    from tfbn import models
    from tfbn.utils import files

    models.build(config.model, input_shape=config.source.shape)
    check_source(config.source, config.test_images)
    if config.output and not files.can_be_written(config.output):
        raise fail("output", "to be a folder that can be written", config.output)


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    """Trains one network; returns its accuracy on the images held out."""
    import keras

    import tfbn

    keras.utils.set_random_seed(cell.seed)
    base = tfbn.models.build(config.model, include_top=False, pooling="avg", input_shape=config.source.shape)
    accuracy = pretraining.train(
        base,
        source_split(config.source, config.test_images, cell.seed),
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=cell.seed,
    )
    output = Path(config.output or folder)
    pretraining.save(base, output / f"{config.model}_{config.dataset}_{cell.seed}.weights.h5")
    return {"test_accuracy": accuracy}


def summarize(config: Config, results: "pd.DataFrame", folder: Path) -> Summary:
    accuracy = interval(100 * results.test_accuracy)
    table = results[["seed", "test_accuracy", "seconds"]].round(3)
    return Summary(
        findings=[f"{config.model} on {config.dataset}: {accuracy.text(signed=False)} % on images held out."],
        tables=[("Accuracy on images held out, by seed", table)],
        figures=[],
        limits=["The weights are for transfer-learning experiments, not for reading digits."],
    )


EXPERIMENT = Experiment(
    name="pretrain",
    question="Which weights do the transfer-learning experiments start from?",
    config_class=Config,
    check=check,
    cells=cells,
    run=run,
    summarize=summarize,
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
