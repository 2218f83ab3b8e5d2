"""What is said about BatchNorm and transfer learning: what holds, what does not, and what only if?

Runs the other experiments with their defaults, each in its own folder in the work folder, and
puts the claims that they decide into one table: in the terminal, in claims.md and
claims.parquet, and in a report with a plot for each experiment. Verdicts follow from the
numbers by the rules in each experiment's claims.py. All defaults together run offline in about
50 minutes on two cores; --experiments selects some, and the same command continues where it
stopped.
"""

import dataclasses
from typing import Any

from ..lab import binary, catalog
from ..lab.experiment import Collection, Experiment, Later, RunConfig
from ..lab.options import option
from ..lab.store import folder_of

EXPERIMENTS = (
    "frozen_batchnorm",
    "keras_recipe",
    "transfer_strategies",
    "affine_only",
    "batch_size",
    "untrained_inference",
    "layer_order",
    "convergence",
    "depth",
    "several_devices",
)
# The most of each option, where an experiment has it, in a smoke run.
QUICK = {"seeds": 2, "epochs": 2, "steps": 10, "fine_tuning_epochs": 1}


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    """Options of the table of claims."""

    experiments: tuple = option(EXPERIMENTS, "Experiments to run, in this order.", choices=EXPERIMENTS)
    seeds: int = option(0, "How many seeds of each; 0: as many as it has by default.", low=0)
    quick: bool = option(False, "A smoke run with few seeds and steps, whose verdicts mean nothing.")

    def __post_init__(self) -> None:
        if self.quick and not self.work_dir:  # a folder is for one configuration
            object.__setattr__(self, "work_dir", "runs/claims_quick")


def parts(config: Config) -> list[tuple[Experiment, Any]]:
    """The experiments, each with its defaults and with the options that are passed down."""
    return [(part, part_config(config, part)) for part in map(catalog.load_experiment, config.experiments)]


def part_config(config: Config, part: Experiment) -> Any:
    """An experiment's defaults, with the options of `config` that say where and how fast."""
    passed = {field.name: getattr(config, field.name) for field in dataclasses.fields(RunConfig)}
    passed["work_dir"] = str(folder_of("claims", config) / part.name)
    del passed["open_report"]
    if not config.seeds:
        del passed["seeds"]
    made = part.config_class(**passed)
    return _quick(made) if config.quick else made


def _quick(config: Any) -> Any:
    most = {name: most for name, most in QUICK.items() if isinstance(getattr(config, name, None), int)}
    return dataclasses.replace(config, **{n: min(m, getattr(config, n) or m) for n, m in most.items()})


def check(config: Config) -> None:
    """The parts are checked by the binary."""


EXPERIMENT = Collection(
    name="claims",
    question="What is said about BatchNorm and transfer learning: what holds, what does not, what only if?",
    config_class=Config,
    check=check,
    summarize=Later(__package__, ".summary", "summarize"),
    parts=parts,
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
