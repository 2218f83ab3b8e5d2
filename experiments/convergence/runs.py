"""One training at one learning rate."""

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import pandas as pd

from ..lab.experiment import Cell
from ..training import reuse, scratch, small_networks, training

if TYPE_CHECKING:
    from .__main__ import Config


def check(config: "Config") -> None:
    build(config, "both", 0, config.split(seed=0).classes)


def build(config: "Config", arm: str, seed: int, classes: int) -> Any:
    """The network of an arm, compiled, with the seed's weights; the same kernels in all arms."""
    keras.utils.set_random_seed(seed)
    network = {k: v for k, v in config.network.items() if k != "classifier_activation"}
    network["normalization"] = "batch" if arm in ("batchnorm", "both") else None
    rate = config.dropout if arm in ("dropout", "both") else 0.0
    model = small_networks.with_dropout(config.model, rate, seed, classes, **network)
    return training.compiled(model, keras.optimizers.SGD(0.1))


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    """Trains at one rate; leaves the accuracy over the steps as `curve.parquet`."""
    split = config.split(cell.seed)
    build_network = functools.partial(build, config, cell.arm, cell.seed, split.classes)
    model = reuse.model_for((cell.arm, config.model, config.dropout, *config.network.values()), build_network)
    small_networks.seed_dropout(model, cell.seed)
    model.optimizer.learning_rate = cell["rate"]
    third, every = len(split.test_x) // 3, min(config.every, config.steps)
    rows: list[dict[str, float]] = []

    def measure(epoch: int, logs: dict[str, float]) -> None:
        accuracy = scratch.accuracy(model, split.test_x[:third], split.test_y[:third])
        rows.append({"step": every * (epoch + 1), "accuracy": accuracy})

    started = time.perf_counter()
    training.fit(
        model, split.train_x, split.train_y, batch_size=config.batch_size, seed=cell.seed,
        epochs=config.steps // every, steps=every,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=measure)],
    )  # fmt: skip
    seconds = time.perf_counter() - started
    curve = pd.DataFrame(rows)
    curve.to_parquet(folder / "curve.parquet", index=False)
    reached = curve.step[curve.accuracy >= config.target]
    return {
        # Never reached counts as one measurement past the end: a lower bound.
        "steps_to_target": float(reached.min()) if len(reached) else float(curve.step.max() + every),
        "reached": float(len(reached) > 0),
        "held_out": rows[-1]["accuracy"],
        "train_accuracy": scratch.accuracy(model, split.train_x, split.train_y),
        "test_accuracy": scratch.accuracy(model, split.test_x[third:], split.test_y[third:]),
        "fit_seconds": seconds,
    }
