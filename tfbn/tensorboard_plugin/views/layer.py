"""One layer: its channels over steps, against the reference."""

from typing import Any

import numpy as np

from tfbn.summary import tags
from tfbn.tensorboard_plugin.downsampling import chosen
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments, numbers

LEVELS = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
CHANNELS = 10
POINTS = 500


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Arguments: `run`, `layer`, and optionally `first` and `last` step."""
    run = arguments.text("run")
    index = reader.layer_index(run, arguments.text("layer"))
    first, last = arguments.steps()
    layer = reader.about(run)["layers"][index]
    steps, values = reader.channels(run, index)
    kept = chosen(steps, POINTS, first, last)
    steps, values = steps[kept], values[kept]
    answer: dict[str, Any] = {
        "run": run,
        "layer": layer,
        "levels": LEVELS,
        "steps": steps.tolist(),
        "bands": {},
        "channels": [],
        "drift": {series: _curves(reader, run, series, index, first, last) for series in tags.SERIES},
    }
    reference = reader.reference(run, index)
    if len(steps) and reference is not None:
        moves = _moves(values, reference, layer["epsilon"])
        affine = {"gamma": values[:, 2], "beta": values[:, 3]}
        answer["bands"] = {name: _band(of_channels) for name, of_channels in {**moves, **affine}.items()}
        answer["channels"] = _moved_most(values, reference, moves)
    return answer


def _moves(values: np.ndarray, reference: np.ndarray, epsilon: float) -> dict[str, np.ndarray]:
    """How far each channel is from the reference at each step, shape `(steps, channels)`."""
    mean, variance = reference[0].astype(np.float64), reference[1].astype(np.float64) + epsilon
    return {
        "mean": (values[:, 0] - mean) / np.sqrt(variance),
        "variance": np.log((values[:, 1].astype(np.float64) + epsilon) / variance),
    }


def _band(of_channels: np.ndarray) -> list[list[float | None]] | None:
    """Quantiles over the channels, a list over steps for each of `LEVELS`; None if there are none."""
    if not np.isfinite(of_channels).any():
        return None
    with np.errstate(invalid="ignore"):
        return [numbers(level) for level in np.quantile(of_channels.astype(np.float64), LEVELS, axis=1)]


def _moved_most(
    values: np.ndarray, reference: np.ndarray, moves: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
    """The channels whose distribution diverged most, by Kullback-Leibler divergence at the last step."""
    mean, log_ratio = moves["mean"], moves["variance"]
    divergence = 0.5 * (mean[-1] ** 2 + np.exp(log_ratio[-1]) - 1 - log_ratio[-1])
    order = np.argsort(-np.nan_to_num(divergence, nan=np.inf), kind="stable")[:CHANNELS]
    return [
        {
            "channel": int(channel),
            "kl": numbers([divergence[channel]])[0],
            "reference": numbers(reference[:, channel]),
            "now": numbers(values[-1, :, channel]),
            "at_first": numbers(values[0, :, channel]),
            "mean": numbers(mean[:, channel]),
            "variance": numbers(log_ratio[:, channel]),
        }
        for channel in order
    ]


def _curves(
    reader: Reader, run: str, series: str, index: int, first: int | None, last: int | None
) -> dict[str, Any]:
    steps, values = reader.rows(run, series)
    kept = chosen(steps, POINTS, first, last)
    metrics = tags.SERIES[series]
    of_layer = values[kept, index] if len(kept) else np.zeros((0, len(metrics)))
    return {
        "steps": steps[kept].tolist(),
        "metrics": {metric: numbers(column) for metric, column in zip(metrics, of_layer.T, strict=True)},
    }
