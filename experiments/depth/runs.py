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
from .arms import ROUNDS, TRAINING, WARMUP

if TYPE_CHECKING:
    from .__main__ import Config


def check(config: "Config") -> None:
    if not config.start_depths and not config.depths:
        raise fail("depths", "to name at least one, or `start_depths`", config.depths)
    for depth in {*config.start_depths, *config.depths}:
        if (depth - 2) % 6:
            raise fail("depths", "and `start_depths` to be 6n+2, such as 8, 20, 56 or 110", depth)
    config.split(seed=0)


def build(config: "Config", arm: str, depth: int, seed: int, classes: int, rate: float = 1e-3) -> Any:
    """The network of an arm, compiled, with the seed's weights; the same kernels in all arms."""
    keras.utils.set_random_seed(seed)
    make = tfbn.models.plain_cifar if arm.startswith("plain") else tfbn.models.resnet_cifar
    normalization = None if arm.endswith("without BN") else "batch"
    model = make(depth, classes=classes, normalization=normalization, **config.network)
    return training.compiled(model, keras.optimizers.Adam(warmed_up(rate, config.steps_at(depth))))


def warmed_up(rate: float, steps: int) -> Any:
    """A learning rate that rises for a tenth of the steps and falls to zero along a cosine."""
    rising = max(1, round(WARMUP * steps))
    return keras.optimizers.schedules.CosineDecay(
        rate / rising, steps - rising, warmup_target=rate, warmup_steps=rising
    )


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    split, validation = config.split(cell.seed).held_back(config.validation_images)
    build_network = functools.partial(build, config, cell.arm, cell["depth"], cell.seed, split.classes)
    if cell["part"] == TRAINING:
        return train(config, build_network, split, validation, cell, folder)
    return look(config, build_network, split, folder)


def look(config: "Config", build_network: Any, split: Split, folder: Path) -> dict[str, float]:
    """Measures gradients and activations before training; writes `gradients.parquet`."""
    batch = slice(config.batch_size)
    table, loss = gradients.by_layer(build_network(), split.train_x[batch], split.train_y[batch])
    table.to_parquet(folder / "gradients.parquet", index=False)
    return {**gradients.spread(table), "loss": loss}


def train(
    config: "Config", build_network: Any, split: Split, validation: Any, cell: Cell, folder: Path
) -> dict[str, float]:
    """Trains once at each learning rate; writes the errors of the best one by round to `curve.parquet`."""
    trained = []
    for rate in sorted(config.learning_rates):
        key = (cell.condition, cell.arm, rate, *config.network.values())
        model = reuse.model_for(key, functools.partial(build_network, rate))
        rows = fit(config, model, split, cell)
        trained.append((scratch.accuracy(model, *validation), rate, rows))
    score, rate, rows = max(trained, key=lambda each: each[0])  # of equal ones the smallest rate
    pd.DataFrame(rows).to_parquet(folder / "curve.parquet", index=False)
    chosen = {"learning_rate": rate, "validation_error": 1 - score, "chance": 1 / split.classes}
    return {**rows[-1], "earlier_train_error": rows[-2]["train_error"], **chosen}


def fit(config: "Config", model: Any, split: Split, cell: Cell) -> list[dict[str, float]]:
    """Trains; returns the errors after each round."""
    steps = config.steps_at(cell["depth"]) // ROUNDS
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
    return rows
