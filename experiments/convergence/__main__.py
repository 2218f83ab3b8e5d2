"""Does BatchNorm speed up training, allow larger learning rates, and replace dropout?

One network with BatchNorm, without, with dropout before the last layer instead, and with
both, over learning rates of plain SGD, paired by seed: the steps to a given accuracy, the
largest rate that still trains, and the test accuracy at each arm's best rate.
The default runs offline in about four minutes on two cores.
"""

import dataclasses
import functools
import time
from pathlib import Path
from typing import Any

import keras

from ..lab import binary
from ..lab.experiment import Cell, Experiment, grid
from ..lab.options import option
from ..training import reuse, scratch, small_networks, training
from .summary import summarize

ARMS = {
    "batchnorm": "with BatchNorm",
    "neither": "without BatchNorm, without dropout",
    "dropout": "dropout instead of BatchNorm",
    "both": "with BatchNorm and dropout",
}


@dataclasses.dataclass(frozen=True)
class Config(scratch.ScratchConfig):
    """Options of the study of convergence."""

    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    arms: tuple = option(tuple(ARMS), "Networks to compare.", choices=tuple(ARMS))
    model: str = option("plain8", "The network, one of ours.")
    rates: tuple = option((0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0), "Learning rates of SGD.", low=0.0)
    train_images: int = option(1000, "Images to train on.", low=1)
    test_images: int = option(1500, "Images held out; the first third chooses the rate.", low=3)
    batch_size: int = option(32, "Images in a batch.", low=1)
    steps: int = option(300, "Training steps.", low=1)
    every: int = option(20, "Steps from one measurement to the next.", low=1)
    target: float = option(0.8, "The accuracy to reach, a share of the images.", low=0.0, high=1.0)
    dropout: float = option(0.4, "The share of the features that dropout drops.", low=0.01, high=0.99)

    @property
    def conditions(self) -> dict[str, float]:
        """The learning rate of each condition."""
        return {f"rate {rate:g}": rate for rate in self.rates}


def check(config: Config) -> None:
    build(config, "both", 0, config.split(seed=0).classes)


def cells(config: Config) -> list[Cell]:
    return reuse.taking_turns(grid(config.conditions, [arm], config.seeds) for arm in config.arms)


def build(config: Config, arm: str, seed: int, classes: int) -> Any:
    """The network of an arm, compiled, with the seed's weights; the same kernels in all arms."""
    keras.utils.set_random_seed(seed)
    network = {k: v for k, v in config.network.items() if k != "classifier_activation"}
    network["normalization"] = "batch" if arm in ("batchnorm", "both") else None
    rate = config.dropout if arm in ("dropout", "both") else 0.0
    model = small_networks.with_dropout(config.model, rate, seed, classes, **network)
    return training.compiled(model, keras.optimizers.SGD(0.1))


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    """Trains at one rate; leaves the accuracy over the steps as `curve.parquet`."""
    import pandas as pd

    split = config.split(cell.seed)
    build_network = functools.partial(build, config, cell.arm, cell.seed, split.classes)
    model = reuse.model_for((cell.arm, config.model, config.dropout, *config.network.values()), build_network)
    small_networks.seed_dropout(model, cell.seed)
    model.optimizer.learning_rate = config.conditions[cell.condition]
    third, every = len(split.test_x) // 3, min(config.every, config.steps)
    rows: list[dict[str, float]] = []

    def measure(epoch: int, logs: dict[str, float]) -> None:
        accuracy = scratch.accuracy(model, split.test_x[:third], split.test_y[:third])
        rows.append({"step": every * (epoch + 1), "accuracy": accuracy})

    started = time.perf_counter()
    training.fit(
        model, split.train_x, split.train_y, batch_size=config.batch_size, seed=cell.seed,
        epochs=config.steps // every, steps=every,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=measure)],
    )  # fmt: skip
    seconds = time.perf_counter() - started
    curve = pd.DataFrame(rows)
    curve.to_parquet(folder / "curve.parquet", index=False)
    reached = curve.step[curve.accuracy >= config.target]
    return {
        "rate": config.conditions[cell.condition],
        # Never reached counts as one measurement past the end: a lower bound.
        "steps_to_target": float(reached.min()) if len(reached) else float(curve.step.max() + every),
        "reached": float(len(reached) > 0),
        "held_out": rows[-1]["accuracy"],
        "train_accuracy": scratch.accuracy(model, split.train_x, split.train_y),
        "test_accuracy": scratch.accuracy(model, split.test_x[third:], split.test_y[third:]),
        "fit_seconds": seconds,
    }


EXPERIMENT = Experiment(
    name="convergence",
    question="Does BatchNorm speed up training, allow larger learning rates, and replace dropout?",
    config_class=Config,
    check=check,
    cells=cells,
    run=run,
    summarize=summarize,
    arms=ARMS,
    metrics=("steps_to_target", "test_accuracy"),
    tables=("curve",),
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
