"""What TensorBoard's own tabs show: scalars, their layout, histograms, pictures, text."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfbn.summary import tags
from tfbn.summary.plugin_values import summary
from tfbn.summary.thinning import Thinning

# Points of a curve, and of all curves of a run together: TensorBoard reads them one by one.
POINTS = 1000
ALL_POINTS = 150_000
HISTOGRAMS = 200
# What has scalars; the BatchNorm tab has every metric of every layer.
BY_LAYER = ("kl",)
OVER_LAYERS = ("kl", "mismatch")


class Curves:
    """Thinned scalars of one series, with the rows kept for the heat maps.

    Every metric of every layer would be hundreds of charts, so there are only those of `BY_LAYER`
    for each layer and those of `OVER_LAYERS` over all layers.

    Args:
        series: `"drift"` or `"mismatch"`.
        layers: The layers' paths, in the model's order.
    """

    def __init__(self, series: str, layers: list[str]):
        self.metrics = tags.SERIES[series]
        self._layers = layers
        self.thinning = Thinning(int(np.clip(ALL_POINTS // (len(layers) * len(self.metrics)), 100, POINTS)))
        self._point: Any = None  # a `Summary` with all tags, refilled for each point
        self.steps: list[int] = []
        self.rows: list[np.ndarray] = []

    def numbers(self, values: np.ndarray) -> list[list[float]]:
        """What `point` writes of each row, in the order of the tags.

        Args:
            values: The metrics of all layers, shape `(rows, layers, metrics)`.
        """
        if np.isfinite(values).all():
            over = np.stack([values.max(axis=1), np.median(values, axis=1)], axis=1)
        else:
            over = np.stack([_largest_and_median(row) for row in values])
        parts = [
            part[:, :, i]
            for i, metric in enumerate(self.metrics)
            for part, wanted in ((values, BY_LAYER), (over, OVER_LAYERS))
            if metric in wanted
        ]
        return np.concatenate(parts, axis=1).tolist()

    def point(self, step: int, values: np.ndarray, numbers: list[float] | None = None) -> Any:
        """A `Summary` of one step.

        Args:
            step: The step.
            values: The metrics of all layers, shape `(layers, metrics)`.
            numbers: Those of `numbers`, if they are known.
        """
        self.steps.append(step)
        self.rows.append(np.array(values, np.float32))
        if self._point is None:
            self._point = self._described()
        elif len(self.steps) == 2:  # TensorBoard needs the descriptions once
            for made in self._point.value:
                made.ClearField("metadata")
        known = self.numbers(values[None])[0] if numbers is None else numbers
        for made, number in zip(self._point.value, known, strict=True):
            made.simple_value = number
        return self._point

    def _described(self) -> Any:
        """A `Summary` of scalars, metric by metric: first those of the layers, then those over all layers."""
        return summary(
            *(
                scalar(tag, 0.0, f"Unit: {tags.UNITS[metric]}")
                for metric in self.metrics
                for tag in (
                    *(f"bn_{metric}/{layer}" for layer in self._layers if metric in BY_LAYER),
                    *(f"bn_overview/{metric}/{o}" for o in ("largest", "median") if metric in OVER_LAYERS),
                )
            )
        )

    def heat_map(self, metric: str) -> Any:
        """A `Summary` with a picture of all layers over all steps."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        from tfbn.summary.heat_map import heat_map

        values = np.stack(self.rows)[:, :, self.metrics.index(metric)]
        png = heat_map(metric.replace("_", " "), tags.UNITS[metric], self.steps, self._layers, values.T)
        image = Summary.Image(encoded_image_string=png.data, width=png.width, height=png.height, colorspace=4)
        return summary(Summary.Value(tag=f"bn_heat_map/{metric}", image=image))


def _largest_and_median(values: np.ndarray) -> np.ndarray:
    """Over the layers that have a finite value: `(layers, metrics)` to `(2, metrics)`."""
    columns = [column[np.isfinite(column)] for column in values.T]
    return np.array([[c.max(), np.median(c)] if len(c) else [np.nan, np.nan] for c in columns]).T


def histograms(channels: Mapping[str, np.ndarray]) -> Any:
    """A `Summary` with histograms over the channels of each layer's moving statistics."""
    from tensorboard.plugins.histogram.summary_v2 import histogram_pb

    made = summary()
    for path, values in channels.items():
        for name, data in (("mean", values[0]), ("variance", values[1])):
            if np.all(np.isfinite(data)):
                made.MergeFrom(histogram_pb(f"bn_moving_{name}/{path}", data.astype(np.float64), buckets=30))
    return made


def scalar(tag: str, value: float, description: str = "") -> Any:
    """A `Summary.Value` of one scalar."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    made = Summary.Value(tag=tag, simple_value=float(value))
    made.metadata.summary_description = description
    made.metadata.plugin_data.plugin_name = "scalars"
    return made


def text(tag: str, markdown: str) -> Any:
    """A `Summary` of one text."""
    from tensorboard.plugins.text.summary_v2 import text_pb

    return text_pb(tag, markdown)


def layout() -> Any:
    """A `Summary` that defines the charts of the tab Custom Scalars."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    def chart(title: str, *patterns: str) -> Any:
        content = layout_pb2.MultilineChartContent(tag=list(patterns))
        return layout_pb2.Chart(title=title, multiline=content)

    def titled(metric: str) -> str:
        return f"{metric.replace('_', ' ')} ({tags.UNITS[metric]})"

    performance = [
        chart(f"{measure} in both modes", rf"bn_performance/{measure}/.*") for measure in ("accuracy", "loss")
    ]
    mismatch = [chart(titled("mismatch"), r"bn_overview/mismatch/.*")]
    drift = [metric for metric in OVER_LAYERS if metric in tags.SERIES["drift"]]
    overview = [chart(titled(metric), rf"bn_overview/{metric}/.*") for metric in drift]
    layers = [chart(titled(metric), rf"bn_{metric}/.*") for metric in BY_LAYER]
    categories = {
        "Training against inference": performance + mismatch,
        "BatchNorm drift, largest and median over layers": overview,
        "BatchNorm drift, every layer": layers,
    }
    made = layout_pb2.Layout(
        category=[
            layout_pb2.Category(title=title, chart=charts, closed=title.endswith("every layer"))
            for title, charts in categories.items()
        ]
    )
    return summary(
        Summary.Value(
            tag=metadata.CONFIG_SUMMARY_TAG,
            tensor=make_tensor_proto(made.SerializeToString()),
            metadata=metadata.create_summary_metadata(),
        )
    )
