"""How does an experiment's answer change over a grid of its options?

    python -m experiments.sweep --experiment=frozen_batchnorm --grid=momentum=0.9,0.99 --grid=batch_size=8,32

Every combination of the grid's values is run as the experiment would be alone, with
--set=epochs=5 for options that all share, in one work folder with one table and one report.
The time depends on the grid: --dry_run estimates it once some runs are stored.
"""

import dataclasses
from pathlib import Path

from tfbn.utils.validation import InputError, fail

from ..lab import binary, catalog, grids, options
from ..lab.experiment import Cell, RunConfig, in_folder
from ..lab.options import option

POINT, WITHIN = "point", "condition of the experiment"  # parameters of a cell


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    """Options of a sweep."""

    experiment: str = option("frozen_batchnorm", "The experiment to run at each point of the grid.")
    grid: tuple = option(
        (), "An option and its values, such as momentum=0.9,0.99; repeat for more.", repeated=True
    )
    set: tuple = option((), "An option for all points, such as epochs=5; repeat for more.", repeated=True)

    def points(self) -> dict[str, RunConfig]:
        """The experiment's config at every point, by the point's label."""
        shared = catalog.load_experiment(self.experiment).config_class(seeds=self.seeds)
        return dict(grids.points(grids.with_options(shared, self.set), self.grid))


def check(config: Config) -> None:
    if config.experiment == "sweep":
        raise fail("experiment", "to be another one", config.experiment)
    experiment = catalog.load_experiment(config.experiment)
    if not config.grid:
        raise InputError("Expected `grid` to name at least one option and its values. Received: grid=()")
    own = {"audit", *(field.name for field in dataclasses.fields(RunConfig))}
    in_grid, in_set = ({text.partition("=")[0] for text in texts} for texts in (config.grid, config.set))
    if in_grid & in_set:
        raise fail("set", f"to leave {', '.join(sorted(in_grid & in_set))} to the grid", config.set)
    if (named := in_grid | in_set) & own:
        raise InputError(
            f"Expected {', '.join(sorted(named & own))} as a flag of the sweep itself. "
            f"Received: grid={config.grid}, set={config.set}"
        )
    points = config.points().values()
    for point in points:  # what is cheap to check, of all points, first
        options.check(point)
    for point in points:
        experiment.check(point)


def cells(config: Config) -> list[Cell]:
    experiment = catalog.load_experiment(config.experiment)
    return [
        Cell(
            f"{label},{cell.condition}",
            cell.arm,
            cell.seed,
            ((POINT, label), (WITHIN, cell.condition), *cell.parameters),
        )
        for label, point in config.points().items()
        for cell in experiment.cells(point)
    ]


def run(config: Config, cell: Cell, folder: Path) -> dict[str, float]:
    """Does the run as the experiment would at its point of the grid."""
    own = tuple((name, value) for name, value in cell.parameters if name not in (POINT, WITHIN))
    inner = Cell(cell[WITHIN], cell.arm, cell.seed, own)
    return catalog.load_experiment(config.experiment).run(config.points()[cell[POINT]], inner, folder)


EXPERIMENT = in_folder(
    __package__,
    question="How does an experiment's answer change over a grid of its options?",
    config_class=Config,
    check=check,
    cells=cells,
    run=run,
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
