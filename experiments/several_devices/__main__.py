"""On several devices, are BatchNorm's statistics those of the joint batch?

One frozen pretrained network with training=True, so that its statistics update, and a head
that trains: once on one device, and once on two with tf.distribute.MirroredStrategy, from
the same weights and with the same batches. With synchronized=True the two should agree; without,
each device normalizes by its own part of the batch. The default takes about two minutes on
two cores, which serve as the two devices.
"""

import dataclasses
from pathlib import Path
from typing import Any

from tfbn.utils.validation import InputError, fail

from ..lab import binary
from ..lab.experiment import Cell, Experiment, grid
from ..lab.options import option
from ..training import devices, training, transfer
from ..training import evaluation as evaluation
from ..training.arms import ARMS
from .summary import summarize

WAYS = {
    "synchronized": "two devices, synchronized=True: moments of the joint batch",
    "separate": "two devices, synchronized=False: each by its own part of the batch",
}


@dataclasses.dataclass(frozen=True)
class Config(transfer.TransferConfig):
    """Options of the comparison."""

    arms: tuple = option(tuple(WAYS), "Arms to compare with one device.", choices=tuple(WAYS))
    sizes: tuple = option(("8", "32"), "Joint batch sizes, as 8,32.")
    shift: str = option("contrast=0.3", "Shift of the target, as none or blur=1.0.")
    epochs: int = option(3, "Epochs.", low=1)
    replicas: int = option(2, "Devices.", low=2)

    @property
    def shifts(self) -> tuple[str, ...]:
        """As other experiments of transfer learning have it."""
        return (self.shift,)


def check(config: Config) -> None:
    for size in config.sizes:
        if not size.isdigit() or int(size) % config.replicas or not int(size):
            raise InputError(
                f"Expected `sizes` to be multiples of replicas={config.replicas}. Received: sizes={size!r}"
            )
        if int(size) > config.images_to_train_on:
            raise fail("sizes", f"to be at most train_images={config.images_to_train_on}", size)
    devices.check_workers(config)
    transfer.check(config)


def cells(config: Config) -> list[Cell]:
    return grid([f"batch {size}" for size in config.sizes], config.arms, config.seeds)


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    """Trains on one device and on several; returns how far their statistics and outputs are apart."""
    import numpy as np

    from tfbn.statistics import drift
    from tfbn.statistics import snapshots as statistics

    strategy = devices.mirrored(config.replicas)
    config = dataclasses.replace(config, batch_size=int(cell.condition.split()[1]))
    split = transfer.prepared_split(config, config.shift, cell.seed)
    # Mixed beforehand: a strategy that divides batches shuffles otherwise. All batches are full.
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


EXPERIMENT = Experiment(
    name="several_devices",
    question="On several devices, are BatchNorm's statistics those of the joint batch?",
    config_class=Config,
    check=check,
    cells=cells,
    run=run,
    summarize=summarize,
    arms=WAYS,
    metrics=("log_variance_ratio", "test_accuracy"),
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
