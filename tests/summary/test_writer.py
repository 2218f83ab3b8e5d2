"""What TensorBoard gets, read back with TensorBoard's own reader."""

import io

import numpy as np
import pytest
from matplotlib.image import imread
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from tfbn import drift
from tfbn.callbacks.drift_summaries import DriftSummaries
from tfbn.callbacks.heat_map import heat_map
from tfbn.statistics import Statistics

LAYERS = ["stem/bn", "<b>head</b>/bn"]


def values(rng, steps):
    return rng.uniform(size=(steps, len(LAYERS), len(drift.METRICS))).astype(np.float32)


def read(folder):
    return EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def points(events, tag):
    return [(event.step, make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]


def tags(events, plugin):
    return sorted(events.PluginTagToContent(plugin))


def test_scalars_by_metric_and_layer(tmp_path, rng):
    summaries = DriftSummaries(tmp_path, LAYERS, every=2)
    rows = values(rng, 3)
    summaries.begin(4)
    summaries.append(np.array([0, 2, 4]), rows, np.array([[0.5, 1.0], [0.25, 2.0]]))
    summaries.end(heat_maps=False)
    events = read(tmp_path)
    for i, metric in enumerate(drift.METRICS):
        for j, layer in enumerate(LAYERS):
            found = points(events, f"bn/{metric}/{layer}")
            assert [step for step, _ in found] == [0, 2, 4]
            np.testing.assert_array_equal([value for _, value in found], rows[:, j, i])
    assert points(events, "bn/mismatch/stem/bn") == [(4, 0.5)]
    assert len(tags(events, "scalars")) == len(LAYERS) * (len(drift.METRICS) + 2)
    assert "standard deviations" in events.SummaryMetadata("bn/mean_shift/stem/bn").summary_description


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("every", [1, 3])
def test_points_are_thinned_and_the_last_is_there(known, every, tmp_path, rng):
    total = 10_000
    summaries = DriftSummaries(tmp_path, LAYERS, every)
    summaries.begin(total * every if known else None)
    for start in range(0, total, 1000):
        steps = np.arange(start, start + 1000) * every
        summaries.append(steps, values(rng, 1000))
    summaries.end(heat_maps=False)
    steps = [step for step, _ in points(read(tmp_path), "bn/kl/stem/bn")]
    assert 900 <= len(steps) <= (1001 if known else 2500)
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert steps[-1] == (total - 1) * every


def test_histograms_and_heat_maps(tmp_path, rng):
    summaries = DriftSummaries(tmp_path, LAYERS, every=1)
    summaries.begin(2)
    summaries.append(np.array([0, 1, 2]), values(rng, 3))
    mean = rng.normal(5, 1, 64)
    snapshot = {layer: Statistics(mean, np.full(64, np.nan), 1e-3) for layer in LAYERS}
    summaries.histograms(2, snapshot)
    summaries.end(heat_maps=True)
    events = read(tmp_path)
    ((step, histogram),) = points(events, "bn/moving_mean/stem/bn")
    assert step == 2
    assert histogram[:, 2].sum() == 64
    assert histogram[0, 0] == pytest.approx(mean.min())
    # Variances that are not finite have no histogram.
    assert tags(events, "histograms") == sorted(f"bn/moving_mean/{layer}" for layer in LAYERS)
    assert tags(events, "images") == sorted(f"bn_heat_map/{metric}" for metric in drift.METRICS)
    ((step, (width, height, png)),) = points(events, "bn_heat_map/kl")
    assert step == 2
    assert imread(io.BytesIO(png)).shape[:2] == (int(height), int(width))


def test_a_second_fit_adds_to_the_first(tmp_path, rng):
    summaries = DriftSummaries(tmp_path, LAYERS, every=1)
    for steps in ([0, 1, 2], [3, 4]):
        summaries.begin(len(steps))
        summaries.append(np.array(steps), values(rng, len(steps)))
        summaries.end(heat_maps=False)
    assert len(list(tmp_path.iterdir())) == 2
    events = read(tmp_path)
    assert "bn/kl/stem/bn" in tags(events, "scalars")


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((2, 3)),
        np.full((2, 3), np.nan),
        np.array([[0, 1e-9, 1e9], [np.inf, 3, 2]]),
        np.ones((2, 1)),
    ],
)
def test_heat_map_of_unusual_values(data, recwarn):
    png = heat_map("kl", "nats", list(range(data.shape[1])), LAYERS, data)
    pixels = imread(io.BytesIO(png.data))
    assert pixels.shape == (png.height, png.width, 4)
    assert not list(recwarn)
