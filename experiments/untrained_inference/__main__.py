"""What does a BatchNorm that never trained do in inference mode, and how soon is it usable?

A fresh BatchNorm in inference mode subtracts 0 and divides by sqrt(1 + epsilon). First:
the scale of the signal at every BatchNorm of deep untrained networks, plain and residual,
in inference mode and normalized by the batch. Then: accuracy in both modes after
1, 2, 4, ... training steps, for several momenta, while the weights train, and once more
with the trained weights held and the statistics reset to (0, 1), next to the closed
form 1 - momentum^steps. The default runs offline in about three minutes on two cores.
"""

import dataclasses

from ..lab import binary
from ..lab.experiment import Cell, grid, in_folder
from ..lab.options import option
from ..training.options import ScratchConfig
from .arms import TRAINED, UNTRAINED


@dataclasses.dataclass(frozen=True)
class Config(ScratchConfig):
    """Options of the experiment."""

    networks: tuple = option(
        ("plain20", "plain56", "resnet20", "resnet56", "resnet110"), "Untrained networks to measure."
    )
    trained: str = option("resnet8", "The network to train.")
    momenta: tuple = option((0.9, 0.99, 0.999), "BatchNorm's momenta to train with.", low=0.0, high=1.0)
    steps: int = option(400, "Training steps.", low=1)
    batch_size: int = option(32, "Images in a batch.", low=2)
    learning_rate: float = option(1e-3, "Learning rate of Adam.", low=0.0)
    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    margin: float = option(5.0, "Inference mode is usable within this many points of accuracy.", low=0.0)


def cells(config: Config) -> list[Cell]:
    deep = grid((UNTRAINED,), config.networks, config.seeds)
    momenta = {f"momentum_{momentum:g}": {"momentum": momentum} for momentum in config.momenta}
    return deep + grid((TRAINED,), momenta, config.seeds)


EXPERIMENT = in_folder(
    __package__,
    question="What does a BatchNorm that never trained do in inference mode, and how soon is it usable?",
    config_class=Config,
    cells=cells,
    arms={
        "<network>": "untrained; the signal at every BatchNorm, in inference mode and by the batch",
        "momentum_<m>": "trained with that momentum; accuracy in both modes after 0, 1, 2, 4, ... steps",
    },
    tables=("scales", "steps"),
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
