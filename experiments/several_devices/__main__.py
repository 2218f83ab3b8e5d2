"""On several devices, are BatchNorm's statistics those of the joint batch?

One frozen pretrained network with training=True, so that its statistics update, and a head
that trains: once on one device, and once on two with tf.distribute.MirroredStrategy, from
the same weights and with the same batches. With synchronized=True the two should agree; without,
each device normalizes by its own part of the batch. The default takes about two minutes on
two cores, which serve as the two devices.
"""

import dataclasses

from ..lab import binary
from ..lab.experiment import Cell, grid, in_folder
from ..lab.options import option
from ..training.options import TransferConfig

WAYS = {
    "synchronized": "two devices, synchronized=True: moments of the joint batch",
    "separate": "two devices, synchronized=False: each by its own part of the batch",
}


@dataclasses.dataclass(frozen=True)
class Config(TransferConfig):
    """Options of the comparison."""

    arms: tuple = option(tuple(WAYS), "Arms to compare with one device.", choices=tuple(WAYS))
    sizes: tuple = option((8, 32), "Joint batch sizes, such as 8,32.", low=1)
    shift: str = option("contrast=0.3", "Shift of the target, such as none or blur=1.0.")
    epochs: int = option(3, "Epochs.", low=1)
    replicas: int = option(2, "Devices.", low=2)

    @property
    def shifts(self) -> tuple[str, ...]:
        """As other experiments of transfer learning have it."""
        return (self.shift,)


def cells(config: Config) -> list[Cell]:
    return grid({f"batch {size}": {"batch_size": size} for size in config.sizes}, config.arms, config.seeds)


EXPERIMENT = in_folder(
    __package__,
    question="On several devices, are BatchNorm's statistics those of the joint batch?",
    config_class=Config,
    cells=cells,
    arms=WAYS,
    metrics=("log_variance_ratio", "test_accuracy"),
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
