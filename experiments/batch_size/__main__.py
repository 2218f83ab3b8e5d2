"""How large should a batch be for BatchNorm, and what does a small one cost?

Batches of 1, 2, 4, ..., 256 images at a fixed number of steps and at a fixed number of
samples, paired by seed: the error of the batch's mean and variance against the whole set,
the error of the moving average, drift, and the accuracy in both modes, with batch
renormalization (where the installed Keras has it) and tfbn.recalibrate as remedies.
The default runs offline in about four minutes on two cores.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import keras

import tfbn
from tfbn.statistics import snapshots as statistics
from tfbn.utils.validation import fail

from ..lab import binary
from ..lab.experiment import Cell, Experiment, grid
from ..lab.options import option
from ..training import reuse, scratch, small_networks, training
from ..training.data import Split
from . import sampling
from .summary import BUDGETS, SAMPLING, summarize

ROUNDS = 4  # drift is that of the last of so many parts of a training
USUAL = 32
ARMS = {
    "batchnorm": "a convolutional network with BatchNorm",
    "renorm": "the same with batch renormalization",
    "dense": "one hidden dense layer with BatchNorm: a channel has one value an image",
}


@dataclasses.dataclass(frozen=True)
class Config(scratch.ScratchConfig):
    """Options of the study of batch sizes."""

    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    arms: tuple = option(tuple(ARMS), "Networks to compare.", choices=tuple(ARMS))
    model: str = option("resnet8", "The convolutional network, one of ours.")
    sizes: tuple = option((1, 2, 4, 8, 16, 32, 64, 128, 256), "Images in a batch.", low=1)
    steps: int = option(96, "Steps where these are fixed.", low=ROUNDS)
    samples: int = option(2048, "Samples where these are fixed.", low=1)
    learning_rate: float = option(3e-3, f"Adam's learning rate, at batches of {USUAL}.", low=0.0)
    rate_exponent: float = option(
        0.0, "The rate goes with the batch size to this power: 0, 0.5 or 1.", low=0.0, high=1.0
    )
    recalibration_images: int = option(512, "Training images to recalibrate on.", low=1)

    @property
    def conditions(self) -> dict[str, tuple[str, int]]:
        """Budget and batch size, by condition."""
        return {f"{budget}, batch {size}": (budget, size) for budget in BUDGETS for size in self.sizes}

    def steps_of(self, budget: str, size: int) -> int:
        """Steps of each of the rounds."""
        steps = self.steps if budget == BUDGETS[0] else self.samples // size
        return max(1, steps // ROUNDS)


def check(config: Config) -> None:
    if config.arms == ("renorm",):
        raise fail("arms", "to name batchnorm or dense too, for comparison", config.arms)
    build(config, "batchnorm", 0, config.split(seed=0).classes)


def cells(config: Config) -> list[Cell]:
    """All sizes of one network after another, so that its trace serves them all."""
    arms = [arm for arm in config.arms if arm != "renorm" or small_networks.has_renorm()]
    sampled = {arm: [] if arm == "renorm" else [SAMPLING] for arm in arms}
    return reuse.taking_turns(grid((*config.conditions, *sampled[arm]), [arm], config.seeds) for arm in arms)


def build(config: Config, arm: str, seed: int, classes: int) -> Any:
    """The network of an arm, compiled, with the seed's weights."""
    keras.utils.set_random_seed(seed)
    if arm == "dense":
        model = small_networks.dense_network(config.source.shape, classes, 8 * config.width, config.momentum)
    else:
        model = tfbn.models.build(config.model, classes=classes, **config.network)
    if arm == "renorm":
        model = small_networks.with_renorm(model, config.momentum)
    return training.compiled(model, keras.optimizers.Adam(config.learning_rate))


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    split = config.split(cell.seed)
    build_network = functools.partial(build, config, cell.arm, cell.seed, split.classes)
    model = reuse.model_for((cell.arm, config.model, *config.network.values(), split.classes), build_network)
    budget, size = config.conditions.get(cell.condition, (BUDGETS[0], USUAL))
    late = fit(config, model, split, budget, size, cell.seed)
    if cell.condition == SAMPLING:
        return sample(config, model, split, cell.seed, folder)
    known = {"batch_size": size, "steps": ROUNDS * config.steps_of(budget, size), "drift": late}
    return known | {"chance": 1 / split.classes} | measure(config, model, split, size)


def fit(config: Config, model: Any, split: Split, budget: str, size: int, seed: int) -> float:
    """Trains; returns how far the moving means went in the last round, the mean over layers."""
    model.optimizer.learning_rate = config.learning_rate * (size / USUAL) ** config.rate_exponent
    kept: list[Any] = []
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: kept.append(statistics.take(model)))
    images, steps = (split.train_x, split.train_y), config.steps_of(budget, size)
    training.fit(model, *images, batch_size=size, seed=seed, epochs=ROUNDS, steps=steps, callbacks=[keep])
    return sampling.apart(kept[-1], kept[-2])["mean_shift"]


def measure(config: Config, model: Any, split: Split, size: int) -> dict[str, float]:
    """Accuracies in both modes and recalibrated, and how far the moving average was off."""
    test, moving = (split.test_x, split.test_y), statistics.take(model)
    inference, by_batch = scratch.accuracy(model, *test), scratch.accuracy_by_batch(model, *test, size)
    tfbn.recalibrate(model, split.train_x[: config.recalibration_images], batch_size=size, verbose=False)
    off = sampling.apart(moving, statistics.take(model))
    return {
        "inference": inference,
        "by_batch": by_batch,
        "recalibrated": scratch.accuracy(model, *test),
        "moving_mean_error": off["mean_shift"],
        "moving_variance_error": off["log_variance_ratio"],
    }


def sample(config: Config, model: Any, split: Split, seed: int, folder: Path) -> dict[str, float]:
    """The errors of batches of every size, in one trained network; leaves `sampling.parquet`."""
    tfbn.recalibrate(model, split.train_x, batch_size=USUAL, verbose=False)
    table = sampling.errors(model, split.train_x, config.sizes, seed)
    lost = sampling.distance_from_beta(model, split.train_x[:1])
    table["from_beta"] = table.layer.map(lost)
    table.to_parquet(folder / "sampling.parquet", index=False)
    return {}


EXPERIMENT = Experiment(
    name="batch_size",
    question="How large should a batch be for BatchNorm, and what does a small one cost?",
    config_class=Config,
    check=check,
    cells=cells,
    run=run,
    summarize=summarize,
    arms=ARMS,
    metrics=("inference", "by_batch", "recalibrated"),
    tables=("sampling",),
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
