"""Trains a network from scratch and keeps its weights, as those that come with the package.

    python -m experiments.pretrain --output=tfbn/models/pretrained_weights

makes the packaged weights anew. One network takes about a minute on one core.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.common import binary
from experiments.common.data import Split, check_data, source_split
from experiments.common.experiment import Cell, Experiment, RunConfig, Summary
from experiments.common.options import option
from experiments.common.statistics import interval

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    """Options of the pretraining."""

    model: str = option("resnet8", "Network, as resnet8 or resnet20.")
    dataset: str = option("mnist5k", "Source: any TFDS name.")
    image_size: int = option(28, "Height and width of the images in pixels.", low=8)
    border: int = option(0, "Empty pixels around each image, within image_size.", low=0)
    test_images: int = option(1000, "Images held out.", low=1)
    epochs: int = option(8, "Epochs.", low=1)
    batch_size: int = option(64, "Images in a batch.", low=1)
    learning_rate: float = option(
        3e-3, "Peak learning rate of Adam, decayed to zero along a cosine.", low=0.0
    )
    output: str = option("", "Folder for the weights; the runs' own folders if empty.")


def cells(config: Config) -> list[Cell]:
    return [Cell(config.dataset, config.model, seed) for seed in range(config.seeds)]


def check(config: Config) -> None:
    from tfbn import models

    models.build(config.model, input_shape=(config.image_size, config.image_size, 1))
    check_data(config)


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    """Trains one network; returns its accuracy on the images held out."""
    import keras

    keras.utils.set_random_seed(cell.seed)
    split = source_split(config, cell.seed)
    model = _train(config, split, cell.seed)
    output = Path(config.output or folder)
    output.mkdir(parents=True, exist_ok=True)
    # A model that was never compiled: without the optimizer's state the file is a third as large.
    bare = keras.Model(model.input, model.output)
    bare.save_weights(output / f"{config.model}_{config.dataset}_{cell.seed}.weights.h5")
    _, accuracy = model.evaluate(split.test_x, split.test_y, batch_size=config.batch_size, verbose=0)
    return {"test_accuracy": accuracy}


def _train(config: Config, split: Split, seed: int) -> Any:
    import keras
    import tensorflow as tf

    import tfbn

    shape = split.train_x.shape[1:]
    model = tfbn.models.build(
        config.model, input_shape=shape, classes=split.classes, classifier_activation=None
    )
    steps = config.epochs * -(-len(split.train_x) // config.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices((split.train_x, split.train_y))
    data = data.shuffle(len(split.train_x), seed=seed).batch(config.batch_size)
    model.fit(data, epochs=config.epochs, verbose=0, shuffle=False)
    return model


def summarize(config: Config, results: "pd.DataFrame", folder: Path) -> Summary:
    accuracy = interval(100 * results.test_accuracy)
    return Summary(
        findings=[f"{config.model} on {config.dataset}: {accuracy.text(signed=False)} % on images held out."],
        tables=[
            ("Accuracy on images held out, by seed", results[["seed", "test_accuracy", "seconds"]].round(3))
        ],
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
