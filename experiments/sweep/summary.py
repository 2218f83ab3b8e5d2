"""One table and one plot of a grid of options, for each of an experiment's main measurements."""

from pathlib import Path
from typing import Any

import pandas as pd

from tfbn.utils.words import counted

from ..lab import catalog, plots, sentences
from ..lab.differences import paired
from ..lab.experiment import Summary
from ..lab.intervals import mean_and_sd


def summarize(config: Any, results: pd.DataFrame, folder: Path) -> Summary:
    """The `Summary` of a sweep."""
    arms = list(dict.fromkeys(results.arm))
    metrics = list(catalog.load_experiment(config.experiment).metrics) or _measurements(results)
    return Summary(
        findings=[finding for metric in metrics for finding in _findings(results, metric, arms)],
        tables=[(f"{metric}: mean ± sd over seeds", _table(results, metric, arms)) for metric in metrics],
        figures=[(f"{metric} over the grid", _caption(arms), _plot(results, metric)) for metric in metrics],
        limits=[
            f"{counted(config.seeds, 'seed')} at each point. With many points, some intervals exclude "
            "zero by chance: "
            "one in twenty, if nothing differs anywhere.",
        ],
    )


def _measurements(results: pd.DataFrame) -> list[str]:
    known = ("condition", "arm", "seed", "seconds")
    return [name for name in results.select_dtypes("number").columns if name not in known][:3]


def _table(results: pd.DataFrame, metric: str, arms: list[str]) -> pd.DataFrame:
    """One row per point of the grid, one column per arm."""
    rows = []
    for condition, part in results.groupby("condition", sort=False):
        by_arm = {arm: values[metric] for arm, values in part.groupby("arm")}
        cells = {arm: mean_and_sd(by_arm[arm], digits=3) if arm in by_arm else "-" for arm in arms}
        rows.append({"point": condition, **cells})
    return pd.DataFrame(rows)


def _findings(results: pd.DataFrame, metric: str, arms: list[str]) -> list[str]:
    """For each arm but the first: at how many points it differs from the first, and where most."""
    first, found = arms[0], []
    for arm in arms[1:]:
        changes = {
            condition: paired(results, metric, condition, arm, first)
            for condition, part in results.groupby("condition", sort=False)
            if {arm, first} <= set(part.arm)
        }
        if not changes:
            continue
        higher = sum(change.sign > 0 for change in changes.values())
        lower = sum(change.sign < 0 for change in changes.values())
        clear = [condition for condition, change in changes.items() if change.sign] or list(changes)
        most = max(clear, key=lambda condition: abs(changes[condition].mean))
        found.append(
            f"{metric}, {arm} against {first}: higher at {higher} and lower at {lower} of {len(changes)} "
            f"points; farthest apart at {most}: {sentences.difference(changes[most], unit='', digits=3)}."
        )
    return found


def _plot(results: pd.DataFrame, metric: str) -> Any:
    """Points of the grid from top to bottom, a marker for each arm."""
    wide = results.pivot(index=["condition", "seed"], columns="arm", values=metric).reset_index()
    points = list(dict.fromkeys(results.condition))
    wide = wide.rename(columns={"condition": "arm"}).assign(condition=metric)
    return plots.by_arm(wide, {arm: arm for arm in dict.fromkeys(results.arm)}, points, metric)


def _caption(arms: list[str]) -> str:
    return f"Small marks are seeds, large marks their mean. Arms: {', '.join(arms)}."
