"""Conv-BN-ReLU against the alternatives; is a conv bias before BatchNorm without effect?

Three orders: conv-bn-relu, conv-relu-bn and bn-relu-conv. For each, the same network without
and with a bias in its convolutions: do the outputs and all other gradients stay equal, is
the bias's gradient zero, in float64 and in float32, normalized by the batch and with
training=False; what parameters and time the bias costs; and the accuracy of a short
training, paired by seed. The default runs offline in about four minutes on two cores.
"""

import dataclasses

from ..lab import binary
from ..lab.experiment import Cell, grid, in_folder
from ..lab.options import option
from ..training.options import ScratchConfig
from .arms import BIASED, COST, EFFECT, ORDERS, is_usual

ARMS = tuple(f"{order}{bias}" for order in ORDERS for bias in ("", BIASED))


@dataclasses.dataclass(frozen=True)
class Config(ScratchConfig):
    """Options of the experiment."""

    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    arms: tuple = option(ARMS, "Orders to train, with and without a bias.", choices=ARMS)
    networks: tuple = option(("resnet20", "plain20"), "Networks to train.")
    compared: str = option("resnet8", "The network to compare and time with and without a bias.")
    steps: int = option(200, "Training steps.", low=1)
    batch_size: int = option(32, "Images in a batch.", low=2)
    learning_rate: float = option(1e-3, "Learning rate of Adam.", low=0.0)
    rounds: int = option(60, "Timed steps of each of the two networks.", low=1)


def cells(config: Config) -> list[Cell]:
    arms = {
        f"{order}{bias}": {"order": order, "bias": bool(bias)}
        for order in ORDERS
        for bias in ("", BIASED)
        if f"{order}{bias}" in config.arms
    }
    trained = grid({network: {"network": network} for network in config.networks}, arms, config.seeds)
    return grid((EFFECT, COST), ORDERS, config.seeds) + [
        cell for cell in trained if not is_usual(cell["network"], cell["order"])
    ]


EXPERIMENT = in_folder(
    __package__,
    question="Conv-BN-ReLU against the alternatives: does the order matter, and is a conv bias before "
    "BatchNorm without effect?",
    config_class=Config,
    cells=cells,
    arms={
        "conv-bn-relu": "convolution, BatchNorm, ReLU: as in the first residual networks",
        "conv-relu-bn": "convolution, ReLU, BatchNorm",
        "bn-relu-conv": "BatchNorm, ReLU, convolution: pre-activation (in a plain network the same chain as "
        "conv-bn-relu, so trained in residual ones only)",
        "...+bias": "the same with a bias in every convolution",
    },
    tables=(),
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
