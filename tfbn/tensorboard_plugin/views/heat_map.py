"""The heat map: one metric of all layers over all steps."""

from typing import Any

import numpy as np

from tfbn.summary import tags
from tfbn.tensorboard_plugin.downsampling import chosen
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments, matrix

COLUMNS = 400
MAX_COLUMNS = 2000


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Arguments: `run`, `metric`, and optionally `columns`, `first` and `last` step."""
    run, metric = arguments.text("run"), arguments.choice("metric", tags.UNITS)
    columns = arguments.number("columns", COLUMNS, 2, MAX_COLUMNS)
    first, last = arguments.steps()
    series = next(name for name, metrics in tags.SERIES.items() if metric in metrics)
    about = reader.about(run)
    steps, values = reader.rows(run, series)
    kept = chosen(steps, columns, first, last)
    of_metric = values[:, :, tags.SERIES[series].index(metric)] if len(steps) else np.zeros((0, 0))
    shown = of_metric[kept].T if len(kept) else np.zeros((len(about["layers"]), 0))
    return {
        "run": run,
        "metric": metric,
        "unit": tags.UNITS[metric],
        "layers": about["layers"],
        "steps": steps[kept].tolist(),
        "recorded": len(steps),
        "values": matrix(shown),
    }
