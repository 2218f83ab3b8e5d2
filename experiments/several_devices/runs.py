"""One training on one device and on several."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfbn import statistics
from tfbn.statistics import drift
from tfbn.utils.validation import InputError, fail

from ..lab.experiment import Cell
from ..training import devices, training, transfer
from ..training import evaluation as evaluation
from ..training.arms import ARMS

if TYPE_CHECKING:
    from .__main__ import Config


def check(config: "Config") -> None:
    for size in config.sizes:
        if size % config.replicas:
            raise InputError(
                f"Expected `sizes` to be multiples of replicas={config.replicas}. Received: sizes={size!r}"
            )
        if size > config.images_to_train_on:
            raise fail("sizes", f"to be at most train_images={config.images_to_train_on}", size)
    devices.check_workers(config)
    transfer.check(config)


def run(config: "Config", cell: Cell, folder: Path) -> dict[str, float]:
    """Trains on one device and on several; returns the distances of their statistics and outputs."""
    strategy = devices.mirrored(config.replicas)
    config = dataclasses.replace(config, batch_size=cell["batch_size"])
    split = transfer.prepared_split(config, config.shift, cell.seed)
    # Shuffled beforehand, since a strategy that divides batches shuffles differently. All batches
    # are full.
    order = np.random.default_rng(cell.seed).permutation(len(split.train_x))
    order = order[: len(order) // config.batch_size * config.batch_size]

    def trained(synchronized: bool) -> tuple[Any, Any, Any]:
        model = transfer.build(config, ARMS["batch"], cell.seed, split.classes, folder)
        devices.synchronize(model, synchronized)
        start = statistics.take(model)
        training.fit(
            model, split.train_x[order], split.train_y[order],
            batch_size=config.batch_size, seed=cell.seed, epochs=config.epochs, shuffle=False,
        )  # fmt: skip
        return model, start, statistics.take(model)

    one, start, of_one = trained(synchronized=False)
    with strategy.scope():
        several, _, of_several = trained(synchronized=cell.arm == "synchronized")
    apart = drift.of_snapshots(of_several, of_one)
    moved = drift.of_snapshots(of_one, start)
    logits = [model.predict(split.test_x, batch_size=250, verbose=0) for model in (one, several)]
    return {
        "mean_shift": max(layer["mean_shift"] for layer in apart.values()),
        "log_variance_ratio": max(layer["log_variance_ratio"] for layer in apart.values()),
        "moved": max(layer["mean_shift"] for layer in moved.values()),
        "logits": float(np.abs(logits[0] - logits[1]).max() / logits[0].std()),
        "one_accuracy": evaluation.accuracy(logits[0], split.test_y),
        "test_accuracy": evaluation.accuracy(logits[1], split.test_y),
    }
