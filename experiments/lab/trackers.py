"""Logs studies to MLflow and Weights & Biases, on request."""

import dataclasses
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbn.utils.validation import InputError

from .experiment import Experiment, Question, RunConfig, Summary

if TYPE_CHECKING:
    import pandas as pd

PROJECT = "tfbn"


def check(config: RunConfig) -> None:
    """Raises `InputError`, before anything runs, if a requested tracker is not installed."""
    for name in _asked(config):
        if importlib.util.find_spec(name) is None:
            raise InputError(
                f"Expected {name} to be installed, since --{name} is given: pip install {name}. "
                "Received: no module of that name"
            )


def send(
    experiment: Question,
    config: RunConfig,
    summary: Summary,
    results: "pd.DataFrame | dict[str, Summary]",
    report: Path,
) -> list[str]:
    """Logs a finished study to the requested trackers; returns a line to print for each.

    Options become parameters, the mean of each measurement and arm a metric, the findings a note,
    and the report a file. The destination is the tracker's own setting, such as `MLFLOW_TRACKING_URI`
    or `WANDB_MODE`.
    """
    return [
        TRACKERS[name](experiment.name, _options(config), _metrics(experiment, results), summary, report)
        for name in _asked(config)
    ]


def _asked(config: RunConfig) -> list[str]:
    return [name for name in TRACKERS if getattr(config, name)]


def _options(config: RunConfig) -> dict[str, str]:
    return {name: str(value) for name, value in dataclasses.asdict(config).items()}


def _metrics(experiment: Question, results: Any) -> dict[str, float]:
    """The mean over seeds of the main metrics, by condition and arm; empty for a collection."""
    if not isinstance(experiment, Experiment) or not experiment.metrics:
        return {}
    means = results.groupby(["condition", "arm"], observed=True)[list(experiment.metrics)].mean()
    return {
        f"{metric}/{_plain(condition)}/{_plain(arm)}": float(row[metric])
        for (condition, arm), row in means.iterrows()
        for metric in experiment.metrics
    }


def _plain(name: str) -> str:
    """A name with only the characters that trackers allow."""
    return "".join(letter if letter.isalnum() or letter in "_-. " else "_" for letter in name)


def _to_mlflow(
    name: str, options: dict[str, str], metrics: dict[str, float], summary: Summary, report: Path
) -> str:
    import mlflow

    mlflow.set_experiment(f"{PROJECT} {name}")
    with mlflow.start_run(run_name=report.parent.name) as run:
        mlflow.log_params(options)
        mlflow.log_metrics(metrics)
        mlflow.set_tag("mlflow.note.content", "\n".join(f"* {line}" for line in summary.findings))
        mlflow.log_artifact(str(report))
    return f"MLflow: run {run.info.run_id} at {mlflow.get_tracking_uri()}"


def _to_wandb(
    name: str, options: dict[str, str], metrics: dict[str, float], summary: Summary, report: Path
) -> str:
    import wandb

    notes = "\n".join(summary.findings)
    with wandb.init(
        project=PROJECT, job_type=name, name=report.parent.name, config=options, notes=notes
    ) as run:
        run.log({**metrics, "report": wandb.Html(report.read_text(encoding="utf-8"))})
        return f"W&B: {run.url or run.dir}"


TRACKERS: dict[str, Callable[..., str]] = {"mlflow": _to_mlflow, "wandb": _to_wandb}
