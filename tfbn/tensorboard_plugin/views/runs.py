"""The runs: their names, the views they have data for, and those that cannot be read."""

from typing import Any

from tfbn.summary import tags
from tfbn.tensorboard_plugin import hyperparameters
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments

SKIPPED = 100  # named at most


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Runs with BatchNorm data and their hyperparameters; skipped runs, and why; metrics and units."""
    known, skipped = reader.runs()
    varied = hyperparameters.by_run(reader) if known else {}
    return {
        "runs": [
            {"name": run, "layers": len(known[run]), "hparams": varied.get(run, {})} for run in sorted(known)
        ],
        "skipped": [{"name": run, "reason": skipped[run]} for run in sorted(skipped)[:SKIPPED]],
        "skipped_in_all": len(skipped),
        "metrics": [
            {"name": metric, "unit": tags.UNITS[metric], "series": series}
            for series, metrics in tags.SERIES.items()
            for metric in metrics
        ],
    }
