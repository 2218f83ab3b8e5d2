"""One network, measured before any training, or trained."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import pandas as pd

import tfbn
from tfbn.utils.validation import fail

from ..lab.experiment import Cell
from ..training import reuse, scratch, training
from ..training.data import Split
from . import gradients
from .arms import ROUNDS, TRAINING

if TYPE_CHECKING:
    from .__main__ import Config


def check(config: "Config") -> None:
    if not config.start_depths and not config.depths:
        raise fail("depths", "to name at least one, or `start_depths`", config.depths)
    for depth in {*config.start_depths, *config.depths}:
        if (depth - 2) % 6:
            raise fail("depths", "and `start_depths` to be 6n+2, as 8, 20, 56 or 110", depth)
    config.split(seed=0)


def build(config: "Config", arm: str, depth: int, seed: int, classes: int) -> Any:
    """The network of an arm, compiled, with the seed's weights; the same kernels in all arms."""
    keras.utils.set_random_seed(seed)
    make = tfbn.models.plain_cifar if arm.startswith("plain") else tfbn.models.resnet_cifar
    normalization = None if arm.endswith("without BN") else "batch"
    model = make(depth, classes=classes, normalization=normalization, **config.network)
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.steps)
    return training.compiled(model, keras.optimizers.Adam(rate))


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    split = config.split(cell.seed)
    build_network = functools.partial(build, config, cell.arm, cell["depth"], cell.seed, split.classes)
    measure = train if cell["part"] == TRAINING else look
    return measure(config, build_network, split, cell, folder)


def look(config: "Config", build_network: Any, split: Split, cell: Cell, folder: Path) -> dict[str, float]:
    """Gradients and activations before training; leaves `gradients.parquet`."""
    batch = slice(config.batch_size)
    table, loss = gradients.by_layer(build_network(), split.train_x[batch], split.train_y[batch])
    table.to_parquet(folder / "gradients.parquet", index=False)
    return {**gradients.spread(table), "loss": loss}


def train(config: "Config", build_network: Any, split: Split, cell: Cell, folder: Path) -> dict[str, float]:
    """Trains; leaves the errors after each round as `curve.parquet`."""
    schedule = (config.learning_rate, config.steps)
    model = reuse.model_for((cell.condition, cell.arm, *schedule, *config.network.values()), build_network)
    steps = config.steps // ROUNDS
    rows: list[dict[str, float]] = []

    def measure(epoch: int, logs: dict[str, float]) -> None:
        errors = {f"{name}_error": 1 - scratch.accuracy(model, *images) for name, images in sets.items()}
        rows.append({"step": steps * (epoch + 1), "fit_error": 1 - logs["accuracy"], **errors})

    sets = {
        "train": (split.train_x[: config.test_images], split.train_y[: config.test_images]),
        "test": (split.test_x, split.test_y),
    }
    training.fit(
        model, split.train_x, split.train_y, batch_size=config.batch_size, seed=cell.seed,
        epochs=ROUNDS, steps=steps, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=measure)],
    )  # fmt: skip
    pd.DataFrame(rows).to_parquet(folder / "curve.parquet", index=False)
    return {**rows[-1], "earlier_train_error": rows[-2]["train_error"], "chance": 1 / split.classes}
