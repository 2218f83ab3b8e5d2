"""Training against inference: loss and metrics in both modes over steps, and the mismatch."""

from typing import Any

import numpy as np

from tfbn.summary import tags
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments, numbers


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Argument: `run`."""
    run = arguments.text("run")
    reader.about(run)
    measures: dict[str, dict[str, Any]] = {}
    prefix = tags.performance("", "").split("/", 1)[0]
    for tag, (steps, values) in reader.scalars(run, f"{prefix}/").items():
        measure, _, source = tag.removeprefix(f"{prefix}/").rpartition("/")
        if source in tags.SOURCES:
            measures.setdefault(measure, {})[source] = {"steps": steps, "values": numbers(values)}
    return {
        "run": run,
        "sources": tags.SOURCES,
        "measures": {measure: measures[measure] for measure in sorted(measures, key=_place)},
        "mismatch": _mismatch(reader, run),
    }


def _place(measure: str) -> tuple[bool, str]:
    """The loss comes last, after what it stands for."""
    return measure == "loss", measure


def _mismatch(reader: Reader, run: str) -> dict[str, Any]:
    steps, values = reader.rows(run, "mismatch")
    of_layers = values[:, :, 0] if len(steps) else np.zeros((0, 1))
    known = np.where(np.isfinite(of_layers), of_layers, 0.0)
    return {
        "unit": tags.UNITS["mismatch"],
        "steps": steps.tolist(),
        "largest": numbers(known.max(axis=1)),
        "median": numbers(np.median(known, axis=1)),
    }
