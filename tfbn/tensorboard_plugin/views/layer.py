"""One layer: its channels over steps, against the reference, in all runs of a group."""

from typing import Any

import numpy as np

from tfbn.tensorboard_plugin.groups import group
from tfbn.tensorboard_plugin.pooling import Pooled, pooled
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments, numbers

LEVELS = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
CHANNELS = 10
POINTS = 500
ROWS = ("mean", "variance", "gamma", "beta")  # of what is pooled


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Arguments: `run` once or more, `layer`, and optionally `first` and `last` step."""
    layer, (first, last) = arguments.text("layer"), arguments.steps()
    of = group(reader, arguments.texts("run"), lambda run: _OfRun(reader, run, layer))
    known = [one for one in of.read if one.reference is not None and len(one.steps)]
    answer: dict[str, Any] = {
        "runs": of.names,
        "skipped": of.skipped,
        "layer": of.layers[of.paths.index(layer)],
        "levels": LEVELS,
        "steps": [],
        "bands": {},
        "channels": [],
    }
    if known:
        all_moves = pooled([one.steps for one in known], [one.moves for one in known], POINTS, first, last)
        answer["steps"] = all_moves.steps.tolist()
        answer["bands"] = {name: _band(all_moves, row) for row, name in enumerate(ROWS)}
        answer["channels"] = _moved_most(known, all_moves)
    return answer


class _OfRun:
    """One run's snapshots of the layer, and how far each channel is from the reference."""

    def __init__(self, reader: Reader, run: str, layer: str):
        index = reader.layer_index(run, layer)
        about = reader.layers(run)[index]
        self.run = run
        self.steps, self.values = reader.channels(run, index, about["channels"])
        self.reference = reader.reference(run, index, about["channels"])
        if self.reference is None:
            return
        mean = self.reference[0].astype(np.float64)
        variance = self.reference[1].astype(np.float64) + about["epsilon"]
        self.moves = self.values.astype(np.float64)  # (steps, 4, channels)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.moves[:, 0] = (self.moves[:, 0] - mean) / np.sqrt(variance)
            self.moves[:, 1] = np.log((self.moves[:, 1] + about["epsilon"]) / variance)


def _band(moves: Pooled, row: int) -> list[list[float | None]] | None:
    """Quantiles over the channels of all runs: a list over steps for each of `LEVELS`, or None."""
    values = moves.values[:, :, row]
    if not np.isfinite(values[moves.present]).any():
        return None
    found = np.full((len(LEVELS), len(moves.steps)), np.nan)
    with np.errstate(invalid="ignore"):
        for runs in np.unique(moves.present, axis=1).T:  # steps that the same runs reach over
            at = (moves.present == runs[:, None]).all(axis=0)
            if runs.any():
                inside = np.moveaxis(values[runs][:, at], 1, 0).reshape(at.sum(), -1)
                found[:, at] = np.quantile(inside, LEVELS, axis=1)
    return [numbers(level) for level in found]


def _moved_most(known: list[_OfRun], moves: Pooled) -> list[dict[str, Any]]:
    """The channels that diverged most, by Kullback-Leibler divergence at the last step of their run."""
    found = []
    for one, values, present in zip(known, moves.values, moves.present, strict=True):
        if not present.any():
            continue
        last = int(np.flatnonzero(present)[-1])
        row = int(np.searchsorted(one.steps, moves.steps[last], "right")) - 1
        mean, log_ratio = values[last, 0], values[last, 1]
        with np.errstate(invalid="ignore", over="ignore"):
            divergence = 0.5 * (mean**2 + np.exp(log_ratio) - 1 - log_ratio)
        order = np.argsort(-np.nan_to_num(divergence, nan=np.inf), kind="stable")[:CHANNELS]
        found += [(divergence[channel], one, values, present, row, int(channel)) for channel in order]
    found.sort(key=lambda item: -np.nan_to_num(item[0], nan=np.inf))
    return [_channel(*item) for item in found[:CHANNELS]]


def _channel(
    divergence: float, one: _OfRun, values: np.ndarray, present: np.ndarray, row: int, channel: int
) -> dict[str, Any]:
    assert one.reference is not None
    return {
        "run": one.run,
        "channel": channel,
        "kl": numbers([divergence])[0],
        "reference": numbers(one.reference[:, channel]),
        "now": numbers(one.values[row, :, channel]),
        "at_first": numbers(one.values[0, :, channel]),
        "mean": numbers(np.where(present, values[:, 0, channel], np.nan)),
        "variance": numbers(np.where(present, values[:, 1, channel], np.nan)),
    }
