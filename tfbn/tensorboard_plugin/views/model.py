"""The model: the mode that each layer was set to, next to what it did, over a group's runs."""

from collections import Counter
from typing import Any

import numpy as np

from tfbn.summary import tags
from tfbn.tensorboard_plugin.groups import group, merged
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments, numbers
from tfbn.utils.words import counted


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Argument: `run`, once or more. One row for each layer; numbers are means over the runs."""
    runs = arguments.texts("run")
    for series in tags.SERIES:
        reader.fetch(runs, series)
    of = group(reader, runs, lambda run: _OfRun(reader, run))
    rows = merged([one.rows for one in of.read])
    for row in rows:
        own = [one.by_path[row["path"]] for one in of.read if row["path"] in one.by_path]
        row["moved"] = sum(one["moved"] for one in own)
        row["of"] = len(own)
        row["says"] = _together([one["says"] for one in own], len(own))
        row["last"], row["low"], row["high"] = {}, {}, {}
        for metric in tags.UNITS:
            values = np.array([one["last"][metric] for one in own])
            known = values[~np.isnan(values)]
            for name, over in (("last", np.mean), ("low", np.min), ("high", np.max)):
                row[name][metric] = numbers([over(known)])[0] if len(known) else None
    steps = [one.step for one in of.read if one.step is not None]
    return {"runs": of.names, "skipped": of.skipped, "step": max(steps, default=None), "rows": rows}


class _OfRun:
    """One run's rows: modes, whether a layer moved, the last values."""

    def __init__(self, reader: Reader, run: str):
        steps, drift = reader.rows(run, "drift")
        _, mismatch = reader.rows(run, "mismatch")
        self.step = int(steps[-1]) if len(steps) else None
        self.rows = [dict(layer) for layer in reader.layers(run)]
        for i, row in enumerate(self.rows):
            row["moved"] = bool(len(steps) > 1 and not np.array_equal(drift[0, i], drift[-1, i]))
            row["says"] = _says(row)
            row["last"] = dict.fromkeys(tags.UNITS, np.nan)
            for series, values in (("drift", drift), ("mismatch", mismatch)):
                if len(values):
                    row["last"] |= dict(zip(tags.SERIES[series], values[-1, i], strict=True))
        self.by_path = {row["path"]: row for row in self.rows}


def _says(row: dict[str, Any]) -> str | None:
    """A sentence if a layer did not do what it was set to do."""
    if row["updates"] is False and row["moved"]:
        return "moved, though its statistics are held"
    if row["updates"] and not row["moved"]:
        return "did not move, though its statistics update"
    return None


def _together(says: list[str | None], runs: int) -> str | None:
    """The most frequent sentence, with the number of runs if not all.

    Example:

    >>> _together(["did not move", None, None], 3)
    'did not move (1 of 3 runs)'
    """
    counts = Counter(sentence for sentence in says if sentence)
    if not counts:
        return None
    ((sentence, count),) = counts.most_common(1)
    return sentence if count == runs else f"{sentence} ({count} of {counted(runs, 'run')})"
