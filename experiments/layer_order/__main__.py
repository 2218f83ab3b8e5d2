"""Conv-BN-ReLU against the alternatives; is a conv bias before BatchNorm without effect?

Three orders: conv-bn-relu, conv-relu-bn and bn-relu-conv. For each, the same network without
and with a bias in its convolutions: do the outputs and all other gradients stay equal, is
the bias's gradient zero, in float64 and in float32, normalized by the batch and with
training=False; what parameters and time the bias costs; and the accuracy of a short
training, paired by seed. The default runs offline in about four minutes on two cores.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np

import tfbn
from tfbn.models.blocks import ORDERS

from ..lab import binary
from ..lab.experiment import Cell, Experiment, grid
from ..lab.options import option
from ..training import networks, reuse, scratch, training
from . import identical_networks as identical_networks
from .summary import summarize
from .tables import BIASED, COST, EFFECT, is_usual

ARMS = tuple(f"{order}{bias}" for order in ORDERS for bias in ("", BIASED))


@dataclasses.dataclass(frozen=True)
class Config(scratch.ScratchConfig):
    """Options of the experiment."""

    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    arms: tuple = option(ARMS, "Orders to train, with and without a bias.", choices=ARMS)
    networks: tuple = option(("resnet20", "plain20"), "Networks to train.")
    compared: str = option("resnet8", "The network whose twins are compared and timed.")
    steps: int = option(200, "Training steps.", low=1)
    batch_size: int = option(32, "Images in a batch.", low=2)
    learning_rate: float = option(1e-3, "Learning rate of Adam.", low=0.0)
    rounds: int = option(60, "Timed steps of either twin.", low=1)


def check(config: Config) -> None:
    networks.check_cifar("networks", config.networks)
    networks.check_cifar("compared", (config.compared,))
    config.split(0)


def cells(config: Config) -> list[Cell]:
    trained = grid(config.networks, config.arms, config.seeds)
    return grid((EFFECT, COST), ORDERS, config.seeds) + [
        cell for cell in trained if not is_usual(cell.condition, cell.arm.removesuffix(BIASED))
    ]


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
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


def _cost(config: Config, cell: Cell, batch: Any, form: dict[str, Any]) -> dict[str, float]:
    """Parameters and seconds a train step, without and with the bias."""
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


def _train(config: Config, cell: Cell, split: Any, form: dict[str, Any]) -> dict[str, float]:
    """A short training: accuracy in both modes, and how far Adam moved the biases."""
    order, bias = cell.arm.removesuffix(BIASED), cell.arm.endswith(BIASED)

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


EXPERIMENT = Experiment(
    name="layer_order",
    question="Conv-BN-ReLU against the alternatives: does the order matter, and is a conv bias before "
    "BatchNorm without effect?",
    config_class=Config,
    check=check,
    cells=cells,
    run=run,
    summarize=summarize,
    arms={
        "conv-bn-relu": "convolution, BatchNorm, ReLU: as in the first residual networks",
        "conv-relu-bn": "convolution, ReLU, BatchNorm",
        "bn-relu-conv": "BatchNorm, ReLU, convolution: pre-activation (in a plain network the same chain as "
        "conv-bn-relu, so trained in residual ones only)",
        "...+bias": "the same with a bias in every convolution",
    },
    tables=(),
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
