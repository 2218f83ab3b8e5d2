"""The heat map: one metric of all layers over all steps, the mean over a group's runs."""

from typing import Any

from tfbn.summary import tags
from tfbn.tensorboard_plugin.groups import rows_of
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments, matrix

COLUMNS = 400
MAX_COLUMNS = 2000


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Arguments: `run` once or more, `metric`, and optionally `columns`, `first` and `last` step."""
    runs, (series, place) = arguments.texts("run"), metric_of(arguments)
    columns = arguments.number("columns", COLUMNS, 2, MAX_COLUMNS)
    group, pooled = rows_of(reader, runs, series, columns, *arguments.steps())
    answer = {
        "runs": group.names,
        "skipped": group.skipped,
        "metric": tags.SERIES[series][place],
        "unit": tags.UNITS[tags.SERIES[series][place]],
        "layers": group.layers,
        "steps": pooled.steps.tolist(),
        "recorded": pooled.recorded,
        "values": matrix(pooled.mean()[..., place].T),
    }
    if len(group.names) > 1:
        answer["low"] = matrix(pooled.low()[..., place].T)
        answer["high"] = matrix(pooled.high()[..., place].T)
    return answer


def metric_of(arguments: Arguments) -> tuple[str, int]:
    """The series of the metric that is asked for, and its place in it."""
    metric = arguments.choice("metric", tags.UNITS)
    series = next(name for name, metrics in tags.SERIES.items() if metric in metrics)
    return series, tags.SERIES[series].index(metric)
