"""What TensorBoard's own tabs get, read back with TensorBoard's own reader."""

import io

import numpy as np
import pytest
from matplotlib.image import imread
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import metadata

import tfbn
from tests.summary.reading import points, read, tags
from tfbn.layers.modes import Mode
from tfbn.statistics import drift, mismatch
from tfbn.statistics.snapshots import Statistics
from tfbn.summary.heat_map import heat_map
from tfbn.summary.verdict import verdict
from tfbn.summary.writing import Writer
from tfbn.utils.validation import InputError

LAYERS = ["stem/bn", "<b>head</b>/bn"]
REFERENCE = {layer: Statistics(np.zeros(3), np.ones(3), 1e-3) for layer in LAYERS}
BY_BATCH = Mode("batch", updates=True, trains=True)
HELD = Mode("moving", updates=False, trains=False)


def values(rng, steps):
    return rng.uniform(size=(steps, len(LAYERS), len(drift.METRICS))).astype(np.float32)


def test_scalars_by_metric_and_layer(tmp_path, rng):
    log = Writer(tmp_path, REFERENCE, every=2)
    rows = values(rng, 3)
    log.begin({}, steps=4)
    log.rows(np.array([0, 2, 4]), rows, np.array([[0.5, 1.0], [0.25, 2.0]]))
    log.end(heat_maps=False)
    events = read(tmp_path)
    kl = rows[:, :, drift.METRICS.index("kl")]
    for j, layer in enumerate(LAYERS):
        found = points(events, f"bn_kl/{layer}")
        assert [step for step, _ in found] == [0, 2, 4]
        np.testing.assert_array_equal([value for _, value in found], kl[:, j])
    for over, expected in (("largest", kl.max(axis=1)), ("median", np.median(kl, axis=1))):
        np.testing.assert_array_equal(
            [value for _, value in points(events, f"bn_overview/kl/{over}")], expected
        )
    assert points(events, "bn_overview/mismatch/largest") == [(4, 0.5)]
    assert points(events, "bn_overview/mismatch/median") == [(4, np.float32(0.375))]
    assert "nats" in events.SummaryMetadata("bn_kl/stem/bn").summary_description


@pytest.mark.parametrize("layers", [7, 53, 200])
def test_the_stock_tabs_stay_calm(layers, tmp_path, rng):
    log = Writer(tmp_path, {f"bn{i}": Statistics(np.zeros(1), np.ones(1), 1e-3) for i in range(layers)})
    log.begin({}, steps=2)
    log.rows(np.array([0, 1, 2]), rng.uniform(size=(3, layers, 5)), np.ones((layers, 2)))
    log.end()
    events = read(tmp_path)
    every_metric = (layers + 2) * (len(drift.METRICS) + len(mismatch.METRICS))
    assert 0 < len(tags(events, "scalars")) <= every_metric / 5
    assert tags(events, "images") == []


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("every", [1, 3])
def test_points_are_thinned_and_the_last_is_there(known, every, tmp_path, rng):
    total = 10_000
    log = Writer(tmp_path, REFERENCE, every)
    log.begin({}, steps=total * every if known else None)
    for start in range(0, total, 1000):
        log.rows(np.arange(start, start + 1000) * every, values(rng, 1000))
    log.end(heat_maps=False)
    steps = [step for step, _ in points(read(tmp_path), "bn_kl/stem/bn")]
    assert 900 <= len(steps) <= (1001 if known else 2500)
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert steps[-1] == (total - 1) * every


def test_of_many_layers_there_are_fewer_points(tmp_path, rng):
    reference = {f"bn{i}": Statistics(np.zeros(1), np.ones(1), 1e-3) for i in range(200)}
    log = Writer(tmp_path, reference)
    log.begin({}, steps=300)
    log.rows(np.arange(300), rng.uniform(size=(300, 200, 5)))
    log.end(heat_maps=False)
    assert 100 <= len(points(read(tmp_path), "bn_kl/bn7")) <= 151


def test_histograms_and_heat_maps(tmp_path, rng):
    log = Writer(tmp_path, REFERENCE)
    log.begin({}, steps=2)
    log.rows(np.array([0, 1, 2]), values(rng, 3))
    channels = rng.normal(5, 1, (4, 64)).astype(np.float32)
    channels[1] = np.nan
    log.channels(2, dict.fromkeys(LAYERS, channels))
    log.end(heat_maps=True)
    events = read(tmp_path)
    ((step, histogram),) = points(events, "bn_moving_mean/stem/bn")
    assert step == 2
    assert histogram[:, 2].sum() == 64
    assert histogram[0, 0] == pytest.approx(channels[0].min())
    # Variances that are not finite have no histogram.
    assert tags(events, "histograms") == sorted(f"bn_moving_mean/{layer}" for layer in LAYERS)
    assert tags(events, "images") == sorted(f"bn_heat_map/{metric}" for metric in drift.METRICS)
    ((step, (width, height, png)),) = points(events, "bn_heat_map/kl")
    assert step == 2
    assert imread(io.BytesIO(png)).shape[:2] == (int(height), int(width))


def test_the_layout_finds_the_curves(tmp_path, rng):
    import re

    log = Writer(tmp_path, REFERENCE)
    log.begin({}, steps=2)
    log.rows(np.array([0, 1]), values(rng, 2), np.ones((2, 2)))
    log.performance(1, training={"accuracy": 0.9, "loss": 1.0}, inference={"accuracy": 0.5, "loss": 2.0})
    log.end(heat_maps=False)
    events = read(tmp_path)
    ((_, content),) = points(events, "custom_scalars__config__")
    charts = [chart for part in layout_pb2.Layout.FromString(content.item()).category for chart in part.chart]
    for chart in charts:
        found = [tag for tag in tags(events, "scalars") if re.search(chart.multiline.tag[0], tag)]
        assert len(found) == 2, chart.title


def test_performance(tmp_path):
    log = Writer(tmp_path, REFERENCE)
    log.begin({})
    log.performance(7, training={"accuracy": 0.75}, validation={"loss": 2.5})
    with pytest.raises(InputError, match=r"Expected `measures` to be of .* Received: measures=\['test'\]"):
        log.performance(8, test={"accuracy": 1.0})
    log.close()
    events = read(tmp_path)
    assert points(events, "bn_performance/accuracy/training") == [(7, 0.75)]
    assert points(events, "bn_performance/loss/validation") == [(7, 2.5)]
    assert events.SummaryMetadata("bn_performance/loss/validation").summary_description.startswith(
        "validation"
    )


def test_a_second_fit_adds_to_the_first(tmp_path, rng):
    log = Writer(tmp_path, REFERENCE)
    for steps in ([0, 1, 2], [3, 4]):
        log.begin({}, steps=len(steps))
        log.rows(np.array(steps), values(rng, len(steps)))
        log.end(heat_maps=False)
    assert len(list(tmp_path.iterdir())) == 2
    events = read(tmp_path)
    assert "bn_kl/stem/bn" in tags(events, "scalars")


@pytest.mark.parametrize(
    ("moved", "says"),
    [
        ([], ["0 of 2 BatchNorm layers moved.", "No layer moved whose statistics are held."]),
        ([0], ["1 of 2 BatchNorm layers moved; farthest: `stem/bn`, 0.5", "No layer moved whose"]),
        ([1], ["1 of 2", "**1 layer moved though its statistics are held: `<b>head</b>/bn`.**"]),
    ],
)
def test_the_verdict_follows_from_the_numbers(moved, says):
    first, last = np.zeros((2, 2, 5))
    last[moved, 0] = 0.5
    text = verdict(LAYERS, {LAYERS[0]: BY_BATCH, LAYERS[1]: HELD}, first, last, None)
    assert all(part in text for part in says), text


def test_hparams(tmp_path):
    tfbn.summary.hparams(tmp_path, {"arm": "batch", "seed": 3, "held": True}, {"test_accuracy": 0.9})
    events = read(tmp_path)
    assert points(events, "result/test_accuracy") == [(0, np.float32(0.9))]
    content = events.PluginTagToContent(metadata.PLUGIN_NAME)
    start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    assert start.hparams["arm"].string_value == "batch"
    assert start.hparams["seed"].number_value == 3
    experiment = metadata.parse_experiment_plugin_data(content[metadata.EXPERIMENT_TAG])
    assert [metric.name.tag for metric in experiment.metric_infos] == ["result/test_accuracy"]


@pytest.mark.parametrize("wrong", [{}, {"arm": None}, {"arm": ["a", "b"]}])
def test_hparams_that_are_none(wrong, tmp_path):
    with pytest.raises(InputError, match="Expected `values` to be a dict of texts, numbers or bools"):
        tfbn.summary.hparams(tmp_path / "log", wrong, {})
    assert not (tmp_path / "log").exists()


def test_a_text_replaces_the_earlier_one_of_its_tag_only(tmp_path):
    for tag, text in (("verdict", "old"), ("other", "kept"), ("verdict", "new")):
        tfbn.summary.text(tmp_path, tag, text)
    events = read(tmp_path)
    assert [value.item() for _, value in points(events, "verdict")] == [b"new"]
    assert [value.item() for _, value in points(events, "other")] == [b"kept"]


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
