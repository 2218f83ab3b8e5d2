"""What of a pretrained network should train: everything, its last layers, or only a new layer on top?

Each strategy, and a network from scratch, is crossed with what BatchNorm does meanwhile:
all of it in inference mode (training=False), or all of it normalizing by the batch and
updating (training=True). Accuracy in inference mode against the time of the training, and
against the number of target images, at a fixed number of steps. Where the frozen layers'
mode allows, their outputs are computed once. The default runs offline in about six minutes
on two cores.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

from ..lab import binary
from ..lab.experiment import Cell, Experiment, grid
from ..lab.options import option
from ..training import evaluation as evaluation
from ..training import reuse, training, transfer
from ..training.data import Split
from . import learning_curve, strategies
from .strategies import ARMS
from .summary import summarize


@dataclasses.dataclass(frozen=True)
class Config(transfer.TransferConfig):
    """Options of the comparison of strategies."""

    arms: tuple = option(tuple(ARMS), "Arms to compare.", choices=tuple(ARMS))
    shift: str = option("none", "Shift of the target, as none, contrast=0.3 or noise=0.3.")
    frozen: tuple = option((), "Patterns or stages that last_* freezes; every stage but the last if empty.")
    train_images: tuple = option(  # type: ignore[assignment]
        (25, 100, 300, 1000), "Numbers of target images to train on.", low=1
    )
    test_images: int = option(700, "Target images to test on.", low=1)
    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    epochs: int = option(6, "How often the accuracy is measured.", low=2)
    steps: int = option(20, "Training steps from one measurement to the next.", low=1)
    learning_rate: float = option(5e-3, "Learning rate of Adam: a new layer on top, and from scratch.", low=0)
    tuning_rate: float = option(1e-3, "Learning rate of Adam where pretrained layers train.", low=0)

    @property
    def shifts(self) -> tuple[str, ...]:
        return (self.shift,)

    def alone(self, images: int, strategy: str) -> Any:
        """The options of one run, as of any other transfer of learning."""
        tuned = strategy in ("everything", "last")
        rate = self.tuning_rate if tuned else self.learning_rate
        return dataclasses.replace(self, train_images=images, learning_rate=rate)  # type: ignore[arg-type]


def check(config: Config) -> None:
    if any(strategies.strategy_of(arm) == "last" for arm in config.arms):
        strategies.first_layers(config)
    transfer.check(config.alone(max(config.train_images), "everything"))


def cells(config: Config) -> list[Cell]:
    return grid((f"images={n}" for n in config.train_images), config.arms, config.seeds)


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    """Trains and tests one arm; leaves its learning curve."""
    import keras

    arm, strategy = ARMS[cell.arm], strategies.strategy_of(cell.arm)
    options = config.alone(int(cell.condition.partition("=")[2]), strategy)
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


def _converged(config: Config, model: Any, split: Split, features: Split | None) -> float:
    """Test accuracy of a new layer trained to convergence, on features that are there already or not."""
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


EXPERIMENT = Experiment(
    name="transfer_strategies",
    question="What of a pretrained network should train: everything, its last layers, or only a new layer?",
    config_class=Config,
    check=check,
    cells=cells,
    run=run,
    summarize=summarize,
    arms={name: arm.says for name, arm in ARMS.items()},
    metrics=("test_accuracy", "fit_seconds"),
    tables=("curve",),
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
