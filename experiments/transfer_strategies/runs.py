"""One strategy, trained and tested."""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from ..lab.experiment import Cell
from ..training import evaluation as evaluation
from ..training import reuse, training, transfer
from ..training.data import Split
from . import learning_curve, strategies
from .arms import ARMS, strategy_of

if TYPE_CHECKING:
    from .__main__ import Config


def check(config: "Config") -> None:
    if any(strategy_of(arm) == "last" for arm in config.arms):
        strategies.first_layers(config)
    transfer.check(config.alone(max(config.train_images), "everything"))


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    """Trains and tests one arm; leaves its learning curve."""
    arm, strategy = ARMS[cell.arm], cell["strategy"]
    options = config.alone(cell["images"], strategy)
    keras.utils.set_random_seed(cell.seed)
    split = transfer.prepared_split(options, config.shift, cell.seed)
    build = functools.partial(strategies.build, options, arm, cell.seed, split.classes, folder)
    model = reuse.model_for((dataclasses.replace(options, train_images=0), cell.arm), build)
    is_cached = strategies.can_cache(arm)
    trained, inputs, spent = strategies.cached(model, split) if is_cached else (model, split, 0.0)
    curve = learning_curve.fit_and_measure(
        trained,
        (inputs.train_x, inputs.train_y),
        (inputs.test_x, inputs.test_y),
        batch_size=config.batch_size,
        seed=cell.seed,
        epochs=config.epochs,
        steps=config.steps,
        spent=spent,
    )
    curve.to_parquet(folder / "curve.parquet", index=False)
    measurements = {**_last(curve), "trained_parameters": training.trained_parameters(trained)}
    if strategy == "head":
        measurements["converged_accuracy"] = _converged(config, model, split, inputs if is_cached else None)
    return measurements


def _converged(config: "Config", model: Any, split: Split, features: Split | None) -> float:
    """Test accuracy of a new layer trained to convergence, on cached features if there are any."""
    if features is not None:
        parts = features.train_x, features.train_y, features.test_x, features.test_y
        return evaluation.converged_head(*parts)
    return evaluation.accuracies(model, split, config.batch_size, fit_by_batch=True)["converged_accuracy"]


def _last(curve: Any) -> dict[str, float]:
    """The accuracies at the end, all seconds, and milliseconds a step once everything is traced."""
    first, last = curve.iloc[0], curve.iloc[-1]
    return {
        "test_accuracy": float(last.test_accuracy),
        "fit_accuracy": float(last.fit_accuracy),
        "fit_seconds": float(last.seconds),
        "step_ms": float(1000 * (last.seconds - first.seconds) / (last.step - first.step)),
    }
