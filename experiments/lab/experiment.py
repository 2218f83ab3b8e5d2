"""The definition of an experiment: a question, its runs, and a summary of its results."""

import dataclasses
import importlib
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import option

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from .verdicts import Claim


Value = bool | int | float | str


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Options that every experiment has."""

    work_dir: str = option("", "Folder for results, logs and the report; runs/<experiment> if empty.")
    seeds: int = option(5, "How many seeds; every arm runs with each of them.", low=1)
    workers: int = option(2, "Worker processes; 0 runs in this process.", low=0)
    scheduler: str = option(
        "", "Dask scheduler to run on instead, such as tcp://host:8786, or local:4 for four workers here."
    )
    results: str = option(
        "folder",
        "How results come back: folder (workers share work_dir), return (as bytes).",
        choices=("folder", "return"),
    )
    dry_run: bool = option(False, "Say how many runs there are and how long they would take, and stop.")
    open_report: bool = option(False, "Open the report in the web browser at the end.")
    mlflow: bool = option(False, "Log options, measurements and the report to MLflow at the end.")
    wandb: bool = option(False, "Log options, measurements and the report to Weights & Biases at the end.")


@dataclasses.dataclass(frozen=True, order=True)
class Cell:
    """One run: an arm under a condition, with a seed.

    Attributes:
        condition: The condition under which arms are compared, such as the shift of the target.
        arm: The name of the arm.
        seed: Decides the split, the order of the batches and the initial head; the
            same for every arm, so that arms can be compared in pairs.
        parameters: Pairs of a name and a value, such as `("depth", 110)`, which define the run.
            Condition and arm are display names for tables and folders, and are never parsed.
    """

    condition: str
    arm: str
    seed: int
    parameters: tuple[tuple[str, Value], ...] = ()

    def __getitem__(self, name: str) -> Any:
        """The value of a parameter."""
        return dict(self.parameters)[name]

    def row(self) -> dict[str, Any]:
        """The columns that identify the run in a table of results: condition, arm, seed and parameters."""
        return {"condition": self.condition, "arm": self.arm, "seed": self.seed, **dict(self.parameters)}

    @property
    def folder(self) -> str:
        """The path of the run's folder, relative to the folder of all runs."""
        condition, arm = (urllib.parse.quote(part, safe="=,+ ") for part in (self.condition, self.arm))
        return f"{condition}/{arm}/seed{self.seed}"


Named = Iterable[str] | Mapping[str, Mapping[str, Value]]


def grid(conditions: Named, arms: Named, seeds: int) -> list[Cell]:
    """Every arm under every condition with every seed.

    Args:
        conditions: Their names, or their parameters by name.
        arms: Likewise.
        seeds: Number of seeds.

    Example:

    >>> cell = grid({"110 layers": {"depth": 110}}, ["plain"], seeds=1)[0]
    >>> cell.folder, cell["depth"]
    ('110 layers/plain/seed0', 110)
    """
    by_condition, by_arm = _with_parameters(conditions), _with_parameters(arms)
    return [
        Cell(condition, arm, seed, (*by_condition[condition], *by_arm[arm]))
        for arm in by_arm
        for condition in by_condition
        for seed in range(seeds)
    ]


def _with_parameters(named: Named) -> dict[str, tuple[tuple[str, Value], ...]]:
    if isinstance(named, Mapping):
        return {name: tuple(parameters.items()) for name, parameters in named.items()}
    return dict.fromkeys(named, ())


@dataclasses.dataclass
class Summary:
    """A summary of the results, ready to be shown.

    Attributes:
        findings: Plain sentences, made from the numbers.
        tables: Title and table, in order.
        figures: Title, caption and figure, in order.
        limits: What these runs cannot show.
        claims: Claims made elsewhere, with verdicts.
    """

    findings: list[str]
    tables: "list[tuple[str, pd.DataFrame]]"
    figures: "list[tuple[str, str, Figure]]"
    limits: list[str]
    claims: "list[Claim]" = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Later:
    """A function that is imported when it is first called, so that `--help` does not load its modules.

    It is pickled as the names of its module and function.

    Attributes:
        package: Where a relative name starts, as the experiment's `__package__`.
        module: Such as `".runs"`.
        name: The function's.

    Example:

    >>> Later("os", ".path", "basename")("a/b")
    'b'
    """

    package: str
    module: str
    name: str

    def __call__(self, *args: Any) -> Any:
        return getattr(importlib.import_module(self.module, self.package), self.name)(*args)


def no_more(config: Any, results: "pd.DataFrame", folder: Path) -> list[Cell]:
    """For most experiments, all runs are known from the start."""
    return []


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """The common part of every binary: a question, options and a summary.

    Attributes:
        name: Also the name of the binary.
        question: The question that it answers, for `--help` and the report.
        config_class: A dataclass derived from `RunConfig`.
        check: Raises `InputError` if the config cannot run, before anything is done.
        summarize: Turns results into a `Summary`. It also gets the work folder.
        audit: The output of `--audit`, for experiments that have it.
        arms: Descriptions of the arms, by name, for `--help` and the report.
        uses_tensorflow: Whether the main process and its workers load TensorFlow before the first run.
    """

    name: str
    question: str
    config_class: type
    check: Callable[[Any], None]
    summarize: Callable[[Any, Any, Path], Summary]
    audit: Callable[[Any], str] | None = None
    arms: Mapping[str, str] = dataclasses.field(default_factory=dict)
    uses_tensorflow: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(Question):
    """A question with its own runs. Its `summarize` gets the table of results, one row per cell.

    Attributes:
        cells: Every run that the config asks for, in the order to start them.
        run: Executes one run in a separate folder and returns its measurements. It is called in
            worker processes, so it must be a module-level function.
        metrics: The most important measurements, for a table across a grid of options.
        tables: Tables that a run may leave in its folder as `<name>.parquet`. Those of all runs are
            concatenated into one file of that name in the work folder, with the columns condition,
            arm and seed in front.
        more: Runs to add after the finished ones, called again until it returns none. It gets the
            arguments of `summarize`, and must depend on them alone, so that a study can be resumed.
    """

    cells: Callable[[Any], list[Cell]]
    run: Callable[[Any, Cell, Path], dict[str, float]]
    metrics: tuple[str, ...] = ()
    tables: tuple[str, ...] = ("drift",)
    more: "Callable[[Any, pd.DataFrame, Path], list[Cell]]" = no_more


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collection(Question):
    """A question that other experiments answer. Its `summarize` gets their summaries, by name.

    Attributes:
        parts: The experiments, each with its config.
    """

    parts: Callable[[Any], list[tuple[Experiment, Any]]]


def in_folder(package: str, **fields: Any) -> Experiment:
    """The experiment of a folder, named after it; its functions are imported when they are called.

    Unless given, `check` and `run` are those of `runs.py`, and `summarize` that of `summary.py`.

    Args:
        package: `__package__` of the folder's `__main__.py`.
        **fields: See `Experiment`.

    Example:

    >>> in_folder("experiments.depth", question="How deep?", config_class=RunConfig, cells=list).run
    Later(package='experiments.depth', module='.runs', name='run')
    """
    usual: dict[str, Any] = {name: Later(package, ".runs", name) for name in ("check", "run")}
    usual["summarize"] = Later(package, ".summary", "summarize")
    return Experiment(**{"name": package.rpartition(".")[2], **usual, **fields})
