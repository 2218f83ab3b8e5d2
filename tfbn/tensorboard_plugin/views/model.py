"""The model: what each layer was set to do, beside what it did."""

from typing import Any

import numpy as np

from tfbn.summary import tags
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments, numbers


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Argument: `run`. One row for each layer."""
    run = arguments.text("run")
    layers = reader.about(run)["layers"]
    steps, drift = reader.rows(run, "drift")
    probed, mismatch = reader.rows(run, "mismatch")
    rows = [dict(layer) for layer in layers]
    for i, row in enumerate(rows):
        row["moved"] = bool(len(steps) > 1 and not np.array_equal(drift[0, i], drift[-1, i]))
        row["says"] = _says(row)
        row["last"] = dict.fromkeys(tags.UNITS)
        for series, values in (("drift", drift), ("mismatch", mismatch)):
            if len(values):
                row["last"] |= dict(zip(tags.SERIES[series], numbers(values[-1, i]), strict=True))
    return {
        "run": run,
        "step": int(steps[-1]) if len(steps) else None,
        "probed_step": int(probed[-1]) if len(probed) else None,
        "rows": rows,
    }


def _says(row: dict[str, Any]) -> str | None:
    """A sentence if what a layer did is not what it was set to do."""
    if row["updates"] is False and row["moved"]:
        return "moved, though its statistics are held"
    if row["updates"] and not row["moved"]:
        return "did not move, though its statistics update"
    return None
