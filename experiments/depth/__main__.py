"""Do deep networks need shortcuts, or BatchNorm, to be trained?

Part one: the gradient of every layer before any training, plain and residual, with and
without BatchNorm, 20 to 1202 layers deep, with the scale of the activations. Part two:
plain and residual networks of 8 to 110 layers trained for the same number of steps, with
train and test error at three points of the training, so that degradation is distinguished from
overfitting and from a short budget. Each network, depth and seed uses the learning rate that
does best on validation images, after a warm-up. --steps=2000 trains longer, --depths=1202
deeper. The default runs offline in about fourteen minutes on two cores.
"""

import dataclasses
from typing import TYPE_CHECKING

from ..lab import binary
from ..lab.experiment import Cell, grid, in_folder
from ..lab.options import option
from ..training.options import ScratchConfig
from ..training.reuse import taking_turns
from .arms import ARMS, ROUNDS, START, TRAINING

if TYPE_CHECKING:
    from ..training.data import Split


@dataclasses.dataclass(frozen=True)
class Config(ScratchConfig):
    """Options of the study of depth."""

    seeds: int = option(4, "How many seeds; every arm runs with each of them.", low=1)
    arms: tuple = option(tuple(ARMS), "Networks to compare before training.", choices=tuple(ARMS))
    trained: tuple = option(("plain", "residual"), "Networks to train.", choices=tuple(ARMS))
    start_depths: tuple = option((20, 56, 110, 1202), "Depths, 6n+2, untrained.", low=8, may_be_empty=True)
    depths: tuple = option((8, 20, 32, 56, 110), "Depths, 6n+2, to train.", low=8, may_be_empty=True)
    deep: int = option(100, "From this depth on, --deep_seeds and --deep_steps apply.", low=8)
    deep_seeds: int = option(4, "Seeds of the deepest networks, which take longest.", low=1)
    deep_steps: int = option(0, "Training steps of the deepest networks; 0: --steps.", low=0)
    batch_size: int = option(32, "Images in a batch.", low=1)
    steps: int = option(100, "Training steps.", low=ROUNDS)
    learning_rates: tuple = option(
        (1e-3, 3e-3),
        "Peak learning rates of Adam, after a warm-up of a tenth of the steps; they decay to zero along a "
        "cosine. Each network, depth and seed uses the one that does best on validation images.",
        low=0.0,
    )
    validation_images: int = option(500, "Images by which the learning rate is chosen.", low=1)

    def seeds_at(self, depth: int) -> int:
        return min(self.seeds, self.deep_seeds) if depth >= self.deep else self.seeds

    def steps_at(self, depth: int) -> int:
        """Training steps at a depth, a multiple of the rounds."""
        steps = self.deep_steps if depth >= self.deep and self.deep_steps else self.steps
        return max(1, steps // ROUNDS) * ROUNDS

    def split(self, seed: int) -> "Split":
        """The images of a seed; those to train on end with the validation images."""
        from ..training.data import target_split

        images = self.train_images + self.validation_images
        return target_split(self.source, images, self.test_images, "none", seed)


def cells(config: Config) -> list[Cell]:
    """The deepest first, since they take longest; the seeds of a network in succession."""
    parts = ((TRAINING, config.depths, config.trained), (START, config.start_depths, config.arms))
    return taking_turns(
        grid({f"{part}, {depth} layers": {"part": part, "depth": depth}}, [arm], config.seeds_at(depth))
        for part, depths, arms in parts
        for depth in sorted(depths, reverse=True)
        for arm in arms
    )


EXPERIMENT = in_folder(
    __package__,
    question="Do deep networks need shortcuts, or BatchNorm, to be trained?",
    config_class=Config,
    cells=cells,
    arms=ARMS,
    metrics=("test_error", "train_error"),
    tables=("gradients", "curve"),
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
