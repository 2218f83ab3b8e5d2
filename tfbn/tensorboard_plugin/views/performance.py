"""Training against inference: loss and metrics in both modes over steps, and the mismatch."""

from typing import Any

import numpy as np

from tfbn.summary import tags
from tfbn.tensorboard_plugin.groups import Group, group
from tfbn.tensorboard_plugin.pooling import pooled
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments
from tfbn.tensorboard_plugin.views.curves import POINTS, over_runs

NOTHING = (np.zeros(0, np.int64), np.zeros(0))
PREFIX = tags.performance("", "").split("/", 1)[0]


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Argument: `run`, once or more."""
    of = group(reader, arguments.texts("run"), lambda run: (_scalars(reader, run), _mismatch(reader, run)))
    measures: dict[str, dict[str, Any]] = {}
    for measure, source in dict.fromkeys(key for scalars, _ in of.read for key in scalars):
        own = [scalars.get((measure, source), NOTHING) for scalars, _ in of.read]
        both = pooled([steps for steps, _ in own], [values for _, values in own], POINTS)
        measures.setdefault(measure, {})[source] = over_runs(both)
    return {
        "runs": of.names,
        "skipped": of.skipped,
        "sources": tags.SOURCES,
        "measures": {measure: measures[measure] for measure in sorted(measures, key=_place)},
        "mismatch": {"unit": tags.UNITS["mismatch"], **_over_layers(of)},
    }


def _scalars(reader: Reader, run: str) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """By measure and source: steps and values, by ascending step."""
    found = {}
    for tag, (steps, values) in reader.scalars(run, f"{PREFIX}/").items():
        measure, _, source = tag.removeprefix(f"{PREFIX}/").rpartition("/")
        if source in tags.SOURCES:
            order = np.argsort(steps, kind="stable")
            found[measure, source] = np.array(steps, np.int64)[order], np.array(values, np.float64)[order]
    return found


def _place(measure: str) -> tuple[bool, str]:
    """The loss comes last, after the metrics."""
    return measure == "loss", measure


def _mismatch(reader: Reader, run: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Steps, and over the layers: the largest and the median mismatch."""
    steps, values = reader.rows(run, "mismatch")
    of_layers = values[:, :, 0]
    known = np.where(np.isfinite(of_layers), of_layers, 0.0)
    return steps, {"largest": known.max(axis=1), "median": np.median(known, axis=1)}


def _over_layers(of: Group) -> dict[str, Any]:
    steps = [mismatch[0] for _, mismatch in of.read]
    return {
        over: over_runs(pooled(steps, [mismatch[1][over] for _, mismatch in of.read], POINTS))
        for over in ("largest", "median")
    }
