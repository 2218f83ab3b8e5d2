"""One metric of one layer over the steps: a group's mean, its range, and each run."""

from typing import Any

import numpy as np

from tfbn.summary import tags
from tfbn.tensorboard_plugin.groups import rows_of
from tfbn.tensorboard_plugin.pooling import Pooled
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments, numbers
from tfbn.tensorboard_plugin.views.heat_map import metric_of
from tfbn.utils.validation import fail, near_names

POINTS = 500


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Arguments: `run` once or more, `layer`, `metric`, and optionally `first` and `last` step."""
    (series, place), layer = metric_of(arguments), arguments.text("layer")
    group, pooled = rows_of(reader, arguments.texts("run"), series, POINTS, *arguments.steps())
    if layer not in group.paths:
        hint = near_names(layer, group.paths)
        raise fail("layer", f"to be a BatchNorm layer of this run ({hint})", layer)
    at = group.paths.index(layer)
    one = Pooled(pooled.steps, pooled.values[:, :, at, place], pooled.present, pooled.recorded)
    return {
        "runs": group.names,
        "skipped": group.skipped,
        "layer": group.layers[at],
        "unit": tags.UNITS[tags.SERIES[series][place]],
        **over_runs(one),
    }


def over_runs(one: Pooled) -> dict[str, Any]:
    """A curve of several runs as plain data: steps, mean, lowest, highest, and each run's own."""
    each = np.where(one.present, one.values, np.nan)
    return {
        "steps": one.steps.tolist(),
        "mean": numbers(one.mean()),
        "low": numbers(one.low()),
        "high": numbers(one.high()),
        "each": [numbers(values) for values in each],
    }
