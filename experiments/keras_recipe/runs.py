"""Runs both steps of the recipe and records what moved."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

from tfbn import statistics
from tfbn.statistics import drift
from tfbn.utils.validation import fail

from ..lab.experiment import Cell
from ..training import networks, training, transfer
from ..training.data import Split
from . import recipes
from .arms import RECIPES
from .recipes import Head

if TYPE_CHECKING:
    from .__main__ import Config


def check(config: "Config") -> None:
    transfer.check(config)
    if config.frozen:
        raise fail("frozen", "to be empty, since the recipe freezes the whole base", config.frozen)


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    """Both steps of the recipe; a row of `layers.parquet` for each BatchNorm and step."""
    keras.utils.set_random_seed(cell.seed)
    split = transfer.prepared_split(config, cell.condition, cell.seed)
    weights = transfer.source_weights(config, cell.seed, folder) or networks.weights_of(config, cell.seed)
    base = networks.build(config, weights)
    recipes.set_momentum(base, config.momentum)
    head = Head.new(split.classes, config.momentum, config.dropout, cell.seed)
    model = recipes.build(RECIPES[cell.arm], base, head)
    steps = {
        "frozen": (False, config.epochs, config.learning_rate),
        "unfrozen": (True, config.fine_tuning_epochs, config.fine_tuning_rate),
    }
    row: dict[str, float] = {}
    layers: list[dict[str, Any]] = []
    for step, (trainable, epochs, rate) in steps.items():
        recipes.set_base(RECIPES[cell.arm], base, trainable)
        training.compiled(model, keras.optimizers.Adam(rate))
        watched = _Watched(base, head)
        measured = _fit(config, model, split, epochs, cell.seed)
        layers += [{"step": step, "keras": keras.__version__, **layer} for layer in watched.layers()]
        measured["dropout_on"] = watched.dropout_on()
        row |= {f"{name}_{step}": value for name, value in measured.items()}
    pd.DataFrame(layers).to_parquet(folder / "layers.parquet", index=False)
    return row


def _fit(config: "Config", model: Any, split: Split, epochs: int, seed: int) -> dict[str, float]:
    history = training.fit(
        model, split.train_x, split.train_y, batch_size=config.batch_size, seed=seed, epochs=epochs
    )
    held_out = training.accuracy(model, split.test_x, split.test_y, config.batch_size)
    return {"fit_loss": history["loss"][-1], "test_accuracy": held_out}


class _Watched:
    """The state that only training mode changes, before a step: statistics, and Dropout's seed."""

    def __init__(self, base: Any, head: Head):
        self._base, self._head = base, head
        self._statistics = self._now()
        self._seed = self._seed_state()

    def layers(self) -> list[dict[str, Any]]:
        """For each BatchNorm: whether a single bit changed, and how far it moved (see `tfbn.drift`)."""
        now = self._now()
        return [
            {
                "part": part,
                "layer": path,
                "moved": not _same(now[part, path], before),
                **drift.distances(now[part, path], before),
            }
            for (part, path), before in self._statistics.items()
        ]

    def dropout_on(self) -> float:
        """1 if the head's Dropout drew random numbers since, else 0."""
        return float(np.any(self._seed_state() != self._seed))

    def _now(self) -> dict[tuple[str, str], statistics.Statistics]:
        base = {("base", path): found for path, found in statistics.take(self._base).items()}
        normalization = self._head.normalization
        return {**base, ("head", normalization.name): statistics.take_one(normalization)}

    def _seed_state(self) -> np.ndarray:
        return np.array(keras.ops.convert_to_numpy(self._head.dropout.seed_generator.state), copy=True)


def _same(one: statistics.Statistics, other: statistics.Statistics) -> bool:
    return np.array_equal(one.mean, other.mean) and np.array_equal(one.variance, other.variance)
