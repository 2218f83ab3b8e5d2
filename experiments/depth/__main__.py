"""Do deep networks need shortcuts, or BatchNorm, to be trained?

Part one: the gradient of every layer before any training, plain and residual, with and
without BatchNorm, 20 to 1202 layers deep, with the scale of the activations. Part two:
plain and residual networks of 8 to 110 layers trained for the same number of steps, with
train and test error at three points of the training, so that degradation is told from
overfitting and from a short budget. --steps=2000 trains longer, --depths=1202 deeper. The
default runs offline in about five minutes on two cores.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import keras

import tfbn
from tfbn.utils.validation import fail

from ..lab import binary
from ..lab.experiment import Cell, Experiment, grid
from ..lab.options import option
from ..training import reuse, scratch, training
from ..training.data import Split
from . import gradients
from .summary import START, TRAINING, summarize

ROUNDS = 3  # errors are measured after each of so many parts of a training
ARMS = {
    "plain": "no shortcuts, with BatchNorm",
    "residual": "shortcuts and BatchNorm",
    "plain without BN": "no shortcuts, no BatchNorm",
    "residual without BN": "shortcuts, no BatchNorm",
}


@dataclasses.dataclass(frozen=True)
class Config(scratch.ScratchConfig):
    """Options of the study of depth."""

    arms: tuple = option(tuple(ARMS), "Networks to compare before training.", choices=tuple(ARMS))
    trained: tuple = option(("plain", "residual"), "Networks to train.", choices=tuple(ARMS))
    start_depths: tuple = option((20, 56, 110, 1202), "Depths, 6n+2, untrained.", low=8, may_be_empty=True)
    depths: tuple = option((8, 20, 32, 56, 110), "Depths, 6n+2, to train.", low=8, may_be_empty=True)
    deep: int = option(100, "From this depth on, only --deep_seeds seeds run.", low=8)
    deep_seeds: int = option(2, "Seeds of the deepest networks, which take longest.", low=1)
    batch_size: int = option(32, "Images in a batch.", low=1)
    steps: int = option(100, "Training steps, for every depth.", low=ROUNDS)
    learning_rate: float = option(3e-3, "Adam's at its peak; it falls to zero along a cosine.", low=0.0)

    def seeds_at(self, depth: int) -> int:
        return min(self.seeds, self.deep_seeds) if depth >= self.deep else self.seeds


def check(config: Config) -> None:
    if not config.start_depths and not config.depths:
        raise fail("depths", "to name at least one, or `start_depths`", config.depths)
    for depth in {*config.start_depths, *config.depths}:
        if (depth - 2) % 6:
            raise fail("depths", "and `start_depths` to be 6n+2, as 8, 20, 56 or 110", depth)
    config.split(seed=0)


def cells(config: Config) -> list[Cell]:
    """The deepest first, since they take longest; the seeds of one network after each other."""
    parts = ((TRAINING, config.depths, config.trained), (START, config.start_depths, config.arms))
    return reuse.taking_turns(
        grid([f"{part}, {depth} layers"], [arm], config.seeds_at(depth))
        for part, depths, arms in parts
        for depth in sorted(depths, reverse=True)
        for arm in arms
    )


def build(config: Config, arm: str, depth: int, seed: int, classes: int) -> Any:
    """The network of an arm, compiled, with the seed's weights; the same kernels in all arms."""
    keras.utils.set_random_seed(seed)
    make = tfbn.models.plain_cifar if arm.startswith("plain") else tfbn.models.resnet_cifar
    normalization = None if arm.endswith("without BN") else "batch"
    model = make(depth, classes=classes, normalization=normalization, **config.network)
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.steps)
    return training.compiled(model, keras.optimizers.Adam(rate))


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    part, depth = cell.condition.removesuffix(" layers").split(", ")
    split = config.split(cell.seed)
    build_network = functools.partial(build, config, cell.arm, int(depth), cell.seed, split.classes)
    measure = train if part == TRAINING else look
    return {"depth": int(depth), **measure(config, build_network, split, cell, folder)}


def look(config: Config, build_network: Any, split: Split, cell: Cell, folder: Path) -> dict[str, float]:
    """Gradients and activations before training; leaves `gradients.parquet`."""
    batch = slice(config.batch_size)
    table, loss = gradients.by_layer(build_network(), split.train_x[batch], split.train_y[batch])
    table.to_parquet(folder / "gradients.parquet", index=False)
    return {**gradients.spread(table), "loss": loss}


def train(config: Config, build_network: Any, split: Split, cell: Cell, folder: Path) -> dict[str, float]:
    """Trains; leaves the errors after each round as `curve.parquet`."""
    import pandas as pd

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


EXPERIMENT = Experiment(
    name="depth",
    question="Do deep networks need shortcuts, or BatchNorm, to be trained?",
    config_class=Config,
    check=check,
    cells=cells,
    run=run,
    summarize=summarize,
    arms=ARMS,
    metrics=("test_error", "train_error"),
    tables=("gradients", "curve"),
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
