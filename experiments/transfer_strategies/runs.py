"""One strategy, trained and tested."""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

from ..lab.experiment import Cell
from ..training import devices, evaluation, reuse, training, transfer
from ..training.data import Split
from . import strategies
from .arms import ARMS, can_cache, strategy_of
from .defaults import KERAS_MOMENTUM, with_defaults
from .following import Followed
from .learning_curve import Data, fit_and_measure

if TYPE_CHECKING:
    from .__main__ import Config

TEST_BATCH = 100  # images in a batch of a test, where learning rates are chosen


def check(config: "Config") -> None:
    config = with_defaults(config)
    for strategy in dict.fromkeys(map(strategy_of, config.arms)):
        strategies.first_layers(config, strategy)
        if strategy == "outputs":
            strategies.check_classifier(config)
    transfer.check(config.alone(max(config.train_images), "everything"))


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    """Trains and tests one arm; leaves its learning curve."""
    config, arm, strategy = with_defaults(config), ARMS[cell.arm], cell["strategy"]
    options = config.alone(cell["images"], strategy)
    keras.utils.set_random_seed(cell.seed)
    split = transfer.prepared_split(options, config.shift, cell.seed)
    build = functools.partial(strategies.build, options, arm, cell.seed, split.classes, folder)
    model = reuse.model_for((dataclasses.replace(options, train_images=0), cell.arm), build)
    if config.is_tuned:
        return _Tuned(config, cell, model, split).measurements(folder)
    is_cached = can_cache(arm)
    trained, inputs, spent = strategies.cached(model, split) if is_cached else (model, split, 0.0)
    curve = fit_and_measure(
        trained,
        (inputs.train_x, inputs.train_y),
        (inputs.test_x, inputs.test_y),
        batch_size=config.batch_size,
        seed=cell.seed,
        epochs=config.epochs,
        steps=config.steps,
        spent=spent,
    )
    measurements = {**_stored(curve, folder), "trained_parameters": training.trained_parameters(trained)}
    measurements["test_images"] = float(len(split.test_y))
    if strategy == "head":
        measurements["converged_accuracy"] = _converged(config, model, split, inputs if is_cached else None)
    return measurements


class _Tuned:
    """Executes a run whose learning rate is chosen on validation images.

    Args:
        config: The options, with defaults.
        cell: The run.
        model: Compiled.
        drawn: Images to train on, of which the first are taken and the last are to choose by; and to test on.
    """

    def __init__(self, config: "Config", cell: Cell, model: Any, drawn: Split):
        self.config, self.seed = config, cell.seed
        self.rates = config.rates(cell["strategy"])
        rest, validation = drawn.held_back(config.validation_images)
        n = cell["images"]
        split = dataclasses.replace(
            rest,
            train_x=rest.train_x[:n],
            train_y=rest.train_y[:n],
            test_x=np.concatenate([validation[0], rest.test_x]),
            test_y=np.concatenate([validation[1], rest.test_y]),
        )
        self.model, self.split, self.spent = model, split, 0.0
        if can_cache(ARMS[cell.arm]):
            self.model, self.split, self.spent = strategies.cached(model, split)
        self.momenta = {"test_accuracy": config.momentum}
        self.followed: Followed | None = None
        if ARMS[cell.arm].training:
            self.momenta["slow_accuracy"] = KERAS_MOMENTUM
            self.followed = Followed(self.model, tuple(self.momenta.values()))

    def measurements(self, folder: Path) -> dict[str, float]:
        """Trains once for each learning rate; each momentum has its own best one."""
        start = reuse.state_of(self.model)
        found: dict[str, list[tuple[float, float, pd.DataFrame]]] = {column: [] for column in self.momenta}
        for rate in self.rates:
            reuse.restart(self.model, start)
            self.model.optimizer.learning_rate = rate
            curve = self._fit()
            for column, score in self._validated().items():
                found[column].append((score, rate, curve))
        best = {column: max(each, key=lambda row: row[0]) for column, each in found.items()}
        score, rate, curve = best["test_accuracy"]
        slow = best.get("slow_accuracy", best["test_accuracy"])[2]
        curve = curve.assign(slow_accuracy=slow.get("slow_accuracy", slow.test_accuracy))
        curve = curve.assign(machine=devices.in_use())
        return {
            **_stored(curve, folder),
            "slow_accuracy": float(curve.slow_accuracy.iloc[-1]),
            "validation_accuracy": score,
            "learning_rate": rate,
            "trained_parameters": training.trained_parameters(self.model),
            "test_images": float(self.config.test_images),
        }

    def _fit(self) -> pd.DataFrame:
        config = self.config
        return fit_and_measure(
            self.model,
            (self.split.train_x, self.split.train_y),
            self._held_out(slice(config.validation_images, None)),
            batch_size=config.batch_size,
            seed=self.seed,
            epochs=config.epochs,
            steps=config.steps,
            spent=self.spent,
            test_batch=TEST_BATCH,
            followed=self.followed,
            momenta=self.momenta,
        )

    def _validated(self) -> dict[str, float]:
        """Accuracy on the validation images, by the column that it chooses for."""
        validation = self._held_out(slice(self.config.validation_images))
        found = {}
        for column, momentum in self.momenta.items():
            if self.followed is not None:
                self.followed.put(momentum)
            found[column] = training.accuracy(self.model, *validation, TEST_BATCH)
        return found

    def _held_out(self, part: slice) -> Data:
        return self.split.test_x[part], self.split.test_y[part]


def _converged(config: "Config", model: Any, split: Split, features: Split | None) -> float:
    """Test accuracy of a new layer trained to convergence, on cached features if there are any."""
    if features is not None:
        parts = features.train_x, features.train_y, features.test_x, features.test_y
        return evaluation.converged_head(*parts)
    return evaluation.accuracies(model, split, config.batch_size, fit_by_batch=True)["converged_accuracy"]


def _stored(curve: pd.DataFrame, folder: Path) -> dict[str, float]:
    """Leaves the curve; returns the accuracies at the end, all seconds, and milliseconds of a later step."""
    curve.to_parquet(folder / "curve.parquet", index=False)
    first, last = curve.iloc[0], curve.iloc[-1]
    return {
        "test_accuracy": float(last.test_accuracy),
        "fit_accuracy": float(last.fit_accuracy),
        "fit_seconds": float(last.seconds),
        "step_ms": float(1000 * (last.seconds - first.seconds) / (last.step - first.step)),
    }
