"""The runs: which there are, and what they can show."""

from typing import Any

from tfbn.summary import tags
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Runs with BatchNorm data, each with its place in TensorBoard's order of colours; metrics and units."""
    known = reader.runs()
    return {
        "runs": [
            {"name": run, "color": place, "layers": len(known[run]["layers"])}
            for place, run in enumerate(reader.all_runs())
            if run in known
        ],
        "metrics": [
            {"name": metric, "unit": tags.UNITS[metric], "series": series}
            for series, metrics in tags.SERIES.items()
            for metric in metrics
        ],
    }
