"""Measures one untrained network, or the modes during one training."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

import tfbn

from ..lab.experiment import Cell
from ..training import networks, reuse, training
from ..training.data import Split
from . import signal_scale
from . import warm_up as warm_up
from .arms import UNTRAINED

if TYPE_CHECKING:
    from .__main__ import Config


def check(config: "Config") -> None:
    networks.check_cifar("networks", config.networks)
    networks.check_cifar("trained", (config.trained,))
    config.split(0)


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    split = config.split(cell.seed)
    if cell.condition == UNTRAINED:
        return look_through(config, cell, split, folder)
    return train(config, cell["momentum"], cell.seed, split, folder)


def look_through(config: "Config", cell: Cell, split: Split, folder: Path) -> dict[str, float]:
    """The signal at every BatchNorm of an untrained network, in both modes."""
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


def _built(config: "Config", momentum: float, classes: int) -> Any:
    model = tfbn.models.build(config.trained, classes=classes, **{**config.network, "momentum": momentum})
    return training.compiled(model, keras.optimizers.Adam(config.learning_rate))


def train(config: "Config", momentum: float, seed: int, split: Split, folder: Path) -> dict[str, float]:
    """Both modes' accuracy while the weights train, then while only the statistics move."""
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
