"""One training with batches of one size, or the errors of batches of every size."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

import tfbn
from tfbn import statistics
from tfbn.utils.validation import fail

from ..lab.experiment import Cell
from ..training import reuse, scratch, small_networks, training
from ..training.data import Split
from . import sampling
from .arms import ROUNDS, SAMPLING, USUAL

if TYPE_CHECKING:
    from .__main__ import Config


def check(config: "Config") -> None:
    if config.arms == ("renorm",):
        raise fail("arms", "to include batchnorm or dense, for comparison", config.arms)
    build(config, "batchnorm", 0, config.split(seed=0).classes)


def build(config: "Config", arm: str, seed: int, classes: int) -> Any:
    """The network of an arm, compiled, with the seed's weights."""
    keras.utils.set_random_seed(seed)
    if arm == "dense":
        model = small_networks.dense_network(config.source.shape, classes, 8 * config.width, config.momentum)
    else:
        model = tfbn.models.build(config.model, classes=classes, **config.network)
    if arm == "renorm":
        model = small_networks.with_renorm(model, config.momentum)
    return training.compiled(model, keras.optimizers.Adam(config.learning_rates[0]))


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    keras.utils.set_random_seed(cell.seed)  # nothing else does where a model is used again
    whole = config.split(cell.seed)
    split, validation = whole.held_back(config.validation_images)
    build_network = functools.partial(build, config, cell.arm, cell.seed, split.classes)
    key = (cell.arm, config.model, *config.network.values(), split.classes)
    budget, size = cell["budget"], cell["batch_size"]
    best: dict[str, Any] = {}
    for rate in sorted(config.learning_rates):
        model = reuse.model_for(key, build_network, (*key, cell.seed))
        late = fit(config, model, split, budget, size, cell.seed, rate)
        score = scratch.accuracy(model, *validation)
        if not best or score > best["score"]:  # of equal ones the smallest rate
            best = {"score": score, "rate": rate, "drift": late, "state": reuse.state_of(model)}
    reuse.restart(model, best["state"])
    if cell.condition == SAMPLING:
        return sample(config, model, split, cell.seed, folder)
    known = {"steps": ROUNDS * config.steps_of(budget, size), "drift": best["drift"]}
    known |= {"learning_rate": best["rate"], "validation_accuracy": best["score"]}
    return known | {"chance": 1 / split.classes} | measure(config, model, split, size)


def fit(config: "Config", model: Any, split: Split, budget: str, size: int, seed: int, rate: float) -> float:
    """Trains; returns how far the moving means moved in the last round, averaged over layers."""
    model.optimizer.learning_rate = rate
    kept: list[Any] = []
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: kept.append(statistics.take(model)))
    images, steps = (split.train_x, split.train_y), config.steps_of(budget, size)
    training.fit(model, *images, batch_size=size, seed=seed, epochs=ROUNDS, steps=steps, callbacks=[keep])
    return sampling.apart(kept[-1], kept[-2])["mean_shift"]


def measure(config: "Config", model: Any, split: Split, size: int) -> dict[str, float]:
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


def sample(config: "Config", model: Any, split: Split, seed: int, folder: Path) -> dict[str, float]:
    """The errors of batches of every size, in one trained network; leaves `sampling.parquet`."""
    tfbn.recalibrate(model, split.train_x, batch_size=USUAL, verbose=False)
    table = sampling.errors(model, split.train_x, config.sizes, seed)
    lost = sampling.distance_from_beta(model, split.train_x[:1])
    table["from_beta"] = table.layer.map(lost)
    table.to_parquet(folder / "sampling.parquet", index=False)
    return {}
