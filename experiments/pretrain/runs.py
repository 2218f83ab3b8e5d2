"""One pretraining."""

from pathlib import Path
from typing import TYPE_CHECKING

import keras

import tfbn
from tfbn.utils.files import can_be_written
from tfbn.utils.validation import fail

from ..lab.experiment import Cell, Summary
from ..lab.intervals import interval
from ..training import pretraining
from ..training.data import check_source, source_split

if TYPE_CHECKING:
    import pandas as pd

    from .__main__ import Config


def check(config: "Config") -> None:
    tfbn.models.build(config.model, input_shape=config.source.shape)
    check_source(config.source, config.test_images)
    if config.output and not can_be_written(config.output):
        raise fail("output", "to be a folder that can be written", config.output)


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    """Trains one network; returns its accuracy on held-out images."""
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


def summarize(config: "Config", results: "pd.DataFrame", folder: Path) -> Summary:
    accuracy = interval(100 * results.test_accuracy)
    table = results[["seed", "test_accuracy", "seconds"]].round(3)
    return Summary(
        findings=[f"{config.model} on {config.dataset}: {accuracy.text(signed=False)} % on images held out."],
        tables=[("Accuracy on images held out, by seed", table)],
        figures=[],
        limits=["The weights are for transfer-learning experiments, not for reading digits."],
    )
