"""How large should a batch be for BatchNorm, and what does a small one cost?

Batches of 1, 2, 4, ..., 256 images at a fixed number of steps and at a fixed number of
samples, paired by seed: the error of the batch's mean and variance against the whole set,
the error of the moving average, drift, and the accuracy in both modes, with batch
renormalization (if the installed Keras supports it) and tfbn.recalibrate as remedies. Each
size uses the learning rate that does best on validation images. The default runs offline in
about eight minutes on two cores.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from ..lab import binary
from ..lab.experiment import Cell, grid, in_folder
from ..lab.options import option
from ..training.options import ScratchConfig
from ..training.reuse import taking_turns
from .arms import ARMS, BUDGETS, ROUNDS, SAMPLING, USUAL

if TYPE_CHECKING:
    from ..training.data import Split


@dataclasses.dataclass(frozen=True)
class Config(ScratchConfig):
    """Options of the study of batch sizes."""

    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    arms: tuple = option(tuple(ARMS), "Networks to compare.", choices=tuple(ARMS))
    model: str = option("resnet8", "The convolutional network, a builder of tfbn.")
    sizes: tuple = option((1, 4, 16, 64, 256), "Images in a batch.", low=1)
    steps: int = option(96, "Training steps in the runs with a fixed number of steps.", low=ROUNDS)
    samples: int = option(2048, "Training samples in the runs with a fixed number of samples.", low=1)
    learning_rates: tuple = option(
        (1e-3, 3e-3, 1e-2),
        "Of Adam; each network, budget, size and seed uses the one that does best on validation images.",
        low=0.0,
    )
    validation_images: int = option(300, "Images by which the learning rate is chosen.", low=1)
    recalibration_images: int = option(512, "Training images to recalibrate on.", low=1)

    @property
    def conditions(self) -> dict[str, dict[str, Any]]:
        """Budget and batch size, by condition."""
        return {
            f"{budget}, batch {size}": {"budget": budget, "batch_size": size}
            for budget in BUDGETS
            for size in self.sizes
        }

    def split(self, seed: int) -> "Split":
        """The images of a seed; those to train on end with the validation images."""
        from ..training.data import target_split

        images = self.train_images + self.validation_images
        return target_split(self.source, images, self.test_images, "none", seed)

    def steps_of(self, budget: str, size: int) -> int:
        """Steps of each of the rounds."""
        steps = self.steps if budget == BUDGETS[0] else self.samples // size
        return max(1, steps // ROUNDS)


def cells(config: Config) -> list[Cell]:
    """All sizes of one network in succession, so that they share its trace."""
    from ..training.small_networks import has_renorm

    arms = [arm for arm in config.arms if arm != "renorm" or has_renorm()]
    sampling: dict[str, dict[str, Any]] = {SAMPLING: {"budget": BUDGETS[0], "batch_size": USUAL}}
    return taking_turns(
        grid(config.conditions | ({} if arm == "renorm" else sampling), [arm], config.seeds) for arm in arms
    )


EXPERIMENT = in_folder(
    __package__,
    question="How large should a batch be for BatchNorm, and what does a small one cost?",
    config_class=Config,
    cells=cells,
    arms=ARMS,
    metrics=("inference", "by_batch", "recalibrated"),
    tables=("sampling",),
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
