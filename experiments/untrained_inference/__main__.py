"""What does a BatchNorm that never trained do in inference mode, and how soon is it usable?

A fresh BatchNorm in inference mode subtracts 0 and divides by sqrt(1 + epsilon). First:
the scale of the signal at every BatchNorm of deep untrained networks, plain and residual,
in inference mode and normalized by the batch. Then: accuracy in both modes after
1, 2, 4, ... training steps, for several momenta, while the weights train, and once more
with the trained weights held and the statistics started anew at (0, 1), beside the closed
form 1 - momentum^steps. The default runs offline in about three minutes on two cores.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import keras
import numpy as np

import tfbn
from tfbn.utils.validation import check_between, fail

from ..lab import binary
from ..lab.experiment import Cell, Experiment, grid
from ..lab.options import option
from ..training import networks, reuse, scratch, training
from ..training.data import Split
from . import signal_scale
from . import warm_up as warm_up
from .summary import summarize

UNTRAINED, TRAINED = "untrained", "training"


@dataclasses.dataclass(frozen=True)
class Config(scratch.ScratchConfig):
    """Options of the experiment."""

    networks: tuple = option(
        ("plain20", "plain56", "resnet20", "resnet56", "resnet110"), "Untrained networks to look through."
    )
    trained: str = option("resnet8", "The network to train.")
    momenta: tuple = option(("0.9", "0.99", "0.999"), "BatchNorm's momenta to train with.")
    steps: int = option(400, "Training steps.", low=1)
    batch_size: int = option(32, "Images in a batch.", low=2)
    learning_rate: float = option(1e-3, "Learning rate of Adam.", low=0.0)
    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    margin: float = option(5.0, "Inference mode is usable within so many points of accuracy.", low=0.0)


def check(config: Config) -> None:
    networks.check_cifar("networks", config.networks)
    networks.check_cifar("trained", (config.trained,))
    for momentum in config.momenta:
        try:
            value = float(momentum)
        except ValueError:
            raise fail("momenta", "to be numbers in [0, 1]", momentum) from None
        check_between("momenta", value, 0, 1)
    config.split(0)


def cells(config: Config) -> list[Cell]:
    deep = grid((UNTRAINED,), config.networks, config.seeds)
    return deep + grid((TRAINED,), [f"momentum_{momentum}" for momentum in config.momenta], config.seeds)


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    split = config.split(cell.seed)
    if cell.condition == UNTRAINED:
        return look_through(config, cell, split, folder)
    return train(config, float(cell.arm.removeprefix("momentum_")), cell.seed, split, folder)


def look_through(config: Config, cell: Cell, split: Split, folder: Path) -> dict[str, float]:
    """The signal at every BatchNorm of an untrained network, in both modes."""
    import pandas as pd

    keras.utils.set_random_seed(cell.seed)
    model = tfbn.models.build(cell.arm, classes=split.classes, **config.network)
    x = split.train_x[: config.batch_size]
    scales = {
        mode: signal_scale.through_batch_normalizations(model, x, by_batch=mode == "batch")
        for mode in ("inference", "batch")
    }
    table = pd.concat([part.assign(mode=mode) for mode, part in scales.items()])
    table.to_parquet(folder / "scales.parquet", index=False)
    row = {f"spread_{mode}": float(s.rms_in.max() / s.rms_in.min()) for mode, s in scales.items()}
    return {**row, "identity_error": float(scales["inference"].identity_error.max())}


def _built(config: Config, momentum: float, classes: int) -> Any:
    model = tfbn.models.build(config.trained, classes=classes, **{**config.network, "momentum": momentum})
    return training.compiled(model, keras.optimizers.Adam(config.learning_rate))


def train(config: Config, momentum: float, seed: int, split: Split, folder: Path) -> dict[str, float]:
    """Both modes' accuracy while the weights train, then while only the statistics move."""
    import pandas as pd

    keras.utils.set_random_seed(seed)
    watched_fit = functools.partial(
        warm_up.watched_fit, split=split, batch_size=config.batch_size, seed=seed, steps=config.steps
    )
    key = (config.trained, momentum, config.learning_rate, split.classes, *config.network.items())
    model = reuse.model_for(key, lambda: _built(config, momentum, split.classes))
    model.optimizer.learning_rate = config.learning_rate
    learning = watched_fit(model)
    population = tfbn.population_statistics(model, split.train_x, batch_size=config.batch_size)
    warm_up.start_statistics(model)
    model.optimizer.learning_rate = 0.0
    held = watched_fit(model, population=population)
    phases = {"weights train": learning, "weights held": held}
    table = pd.concat([part.assign(phase=phase) for phase, part in phases.items()])
    table.to_parquet(folder / "steps.parquet", index=False)
    return {
        "usable_training": warm_up.usable_from(learning, config.margin / 100),
        "usable_held": warm_up.usable_from(held, config.margin / 100),
        "closed_form_error": float(np.abs(held.gone - (1 - momentum**held.step)).max()),
    }


EXPERIMENT = Experiment(
    name="untrained_inference",
    question="What does a BatchNorm that never trained do in inference mode, and how soon is it usable?",
    config_class=Config,
    check=check,
    cells=cells,
    run=run,
    summarize=summarize,
    arms={
        "<network>": "untrained; the signal at every BatchNorm, in inference mode and by the batch",
        "momentum_<m>": "trained with that momentum; accuracy in both modes after 0, 1, 2, 4, ... steps",
    },
    tables=("scales", "steps"),
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
