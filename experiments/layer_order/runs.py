"""What a bias changes and costs, and one short training."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

import tfbn

from ..lab.experiment import Cell
from ..training import networks, reuse, scratch, training
from . import identical_networks as identical_networks
from .arms import COST, EFFECT

if TYPE_CHECKING:
    from .__main__ import Config


def check(config: "Config") -> None:
    networks.check_cifar("networks", config.networks)
    networks.check_cifar("compared", (config.compared,))
    config.split(0)


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    split = config.split(cell.seed)
    batch = split.train_x[: config.batch_size], split.train_y[: config.batch_size]
    form = {**config.network, "classes": split.classes}
    if cell.condition == EFFECT:
        return _effect(config.compared, cell, batch, form)
    if cell.condition == COST:
        return _cost(config, cell, batch, form)
    return _train(config, cell, split, form)


def _effect(network: str, cell: Cell, batch: Any, form: dict[str, Any]) -> dict[str, float]:
    """What the bias changes, by arithmetic and by what normalizes."""
    row: dict[str, float] = {}
    for dtype in ("float64", "float32"):
        pair = identical_networks.identical_networks(network, cell.seed, dtype, order=cell.arm, **form)
        for name, flag in (("batch", True), ("moving", False)):
            changes = identical_networks.compare(pair, batch[0], batch[1], training=flag)
            row |= {f"{what}_{name}_{dtype}": value for what, value in changes.items()}
    return row


def _cost(config: "Config", cell: Cell, batch: Any, form: dict[str, Any]) -> dict[str, float]:
    """Parameters and seconds per train step, without and with the bias."""
    pair = identical_networks.identical_networks(
        config.compared, cell.seed, "float32", order=cell.arm, **form
    )
    counts = [training.trained_parameters(model) for model in (pair.without, pair.with_bias)]
    seconds = identical_networks.step_seconds(pair, batch[0], batch[1], config.rounds)
    return {
        "parameters": counts[0],
        "extra_parameters": counts[1] - counts[0],
        "step_seconds": seconds["without"],
        "time_percent": 100 * (seconds["with_bias"] / seconds["without"] - 1),
    }


def _train(config: "Config", cell: Cell, split: Any, form: dict[str, Any]) -> dict[str, float]:
    """A short training: accuracy in both modes, and how far Adam moved the biases."""
    order, bias = cell["order"], cell["bias"]

    def build() -> Any:
        model = tfbn.models.build(cell.condition, order=order, use_bias=bias, **form)
        return training.compiled(model, keras.optimizers.Adam(config.learning_rate))

    keras.utils.set_random_seed(cell.seed)
    key = (cell.condition, cell.arm, config.learning_rate, *form.items())
    model = reuse.model_for(key, build)
    history = training.fit(
        model, split.train_x, split.train_y,
        batch_size=config.batch_size, seed=cell.seed, steps=config.steps,
    )  # fmt: skip
    images = split.test_x, split.test_y
    biases = [
        np.array(layer.bias) for layer in model.layers if bias and isinstance(layer, keras.layers.Conv2D)
    ]
    return {
        "fit_accuracy": history["accuracy"][-1],
        "test_accuracy": scratch.accuracy(model, *images),
        "test_accuracy_batch": scratch.accuracy_by_batch(model, *images, config.batch_size),
        "bias_moved": float(np.abs(np.concatenate(biases)).max()) if biases else math.nan,
    }
