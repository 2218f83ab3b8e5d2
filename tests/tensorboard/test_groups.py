"""What several runs have together: means, ranges, comparison, findings."""

import dataclasses

import keras
import numpy as np
import pytest

import tfbn
from tests.tensorboard import study
from tests.tensorboard.conftest import PROVIDERS, Asking
from tests.tensorboard.test_routes import matrix
from tfbn.layers.modes import Mode
from tfbn.statistics import drift
from tfbn.statistics.snapshots import Statistics
from tfbn.summary import Finding, tags
from tfbn.summary.event_file import EventFile
from tfbn.summary.plugin_values import json_value, summary
from tfbn.tensorboard_plugin.pooling import pooled
from tfbn.utils.validation import InputError

LAYERS = ["a", "b"]
UPDATING, HELD = Mode("batch", updates=True, trains=True), Mode("batch", updates=False, trains=True)
KL = drift.METRICS.index("kl")


def write(folder, steps, values, layers=LAYERS, mode=UPDATING, channels=None, performance=None):
    """A run with these rows, and channels and accuracies at these steps."""
    start = {layer: Statistics(np.zeros(2), np.ones(2), 1e-3) for layer in layers}
    log = tfbn.summary.Writer(folder, start)
    log.begin(dict.fromkeys(layers, mode))
    log.rows(np.array(steps), values)
    for step, array in (channels or {}).items():
        log.channels(step, dict.fromkeys(layers, np.asarray(array, np.float32)))
    for step, accuracy in (performance or {}).items():
        log.performance(step, training={"accuracy": accuracy})
    log.end()


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    return {name: rng.uniform(0.1, 1, (6, 2, 5)).astype(np.float32) for name in "xyz"}


@pytest.fixture(scope="module")
def ask(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("groups")
    still = np.array([[0, 0], [1, 1], [0, 0], [0, 0]], float)
    moved = np.array([[3, 1], [1, 1], [0, 0], [0, 0]], float)
    back = moved * [[-1], [1], [1], [1]]
    write(folder / "x", range(6), rows["x"], channels={0: still, 5: moved}, performance={0: 0.5, 5: 1.0})
    write(folder / "y", range(6), rows["y"], channels={0: still, 5: back}, performance={0: 0.25, 5: 0.5})
    write(folder / "short", range(3), rows["z"][:3], mode=HELD)
    write(folder / "sparse", [0, 2, 4], rows["z"][:3])
    write(folder / "other", range(6), rows["z"][:, :1], layers=["c"])
    write(folder / "far", range(6), rows["x"] + np.where(np.arange(6) < 3, 0, 5)[:, None, None])
    tfbn.summary.findings(folder / "x", [FINDING])
    tfbn.summary.findings(folder / "x", [LATER, FINDING])
    for name, content in BAD_FINDINGS.items():
        write(folder / name, range(2), rows["x"][:2])
        events = EventFile(folder / name, ".tfbn_findings")
        events.add(0, summary(json_value(tags.FINDINGS, content)))
        events.close()
    return Asking(PROVIDERS["slow"](folder))


FINDING = Finding("lagging", ("a",), np.float32(0.5), None, "Too slow.", "momentum=0.9", 2)
LATER = Finding("nan", (), None, None, "A loss became NaN.", "Lower the learning rate.", 4)
(GOOD,) = FINDING.at_layers()
BAD_FINDINGS = {
    "later": {"version": 9, "findings": []},
    "no list": {"version": 1, "findings": {}},
    "text": {"version": 1, "findings": ["x"]},
    "no step": {"version": 1, "findings": [{**GOOD, "step": -1}]},
    "no cause": {"version": 1, "findings": [{"name": "lagging", "step": 1}]},
    "script": {"version": 1, "findings": [{**GOOD, "link": "javascript:alert(1)"}]},
}


def test_the_mean_and_the_range_of_runs(ask, rows):
    answer = ask("heat_map", run=["x", "y"], metric="kl")
    both = np.stack([rows["x"], rows["y"]])[..., KL]
    np.testing.assert_allclose(matrix(answer["values"]), both.mean(axis=0).T, rtol=1e-6)
    np.testing.assert_array_equal(matrix(answer["low"]), both.min(axis=0).T)
    np.testing.assert_array_equal(matrix(answer["high"]), both.max(axis=0).T)
    assert "low" not in ask("heat_map", run="x", metric="kl")


def test_a_run_that_ended_early_counts_until_then(ask, rows):
    answer = ask("heat_map", run=["x", "short"], metric="kl")
    assert answer["steps"] == list(range(6))
    x, z = rows["x"][..., KL], rows["z"][..., KL]
    expected = np.concatenate([(x[:3] + z[:3]) / 2, x[3:]])
    np.testing.assert_allclose(matrix(answer["values"]), expected.T, rtol=1e-6)
    # Modes that differ between the runs are not known.
    assert {layer["updates"] for layer in answer["layers"]} == {None}
    assert {layer["trains"] for layer in answer["layers"]} == {True}


def test_between_its_rows_a_run_has_its_latest(ask, rows):
    answer = ask("heat_map", run=["sparse", "x"], metric="kl")
    z = rows["z"][[0, 0, 1, 1, 2], :, KL]
    expected = (rows["x"][:5, :, KL] + z) / 2
    np.testing.assert_allclose(matrix(answer["values"])[:, :5], expected.T, rtol=1e-6)
    np.testing.assert_array_equal(matrix(answer["values"])[:, 5], rows["x"][5, :, KL])


def test_runs_with_other_layers(ask, rows):
    answer = ask("heat_map", run=["x", "other"], metric="kl")
    assert [layer["path"] for layer in answer["layers"]] == ["a", "b", "c"]
    low = matrix(answer["low"])
    assert np.isnan(low).all()  # no layer is in both
    assert ask("model", run=["x", "other"])["rows"][2]["of"] == 1


def test_a_curve_has_every_run(ask, rows):
    answer = ask("curves", run=["x", "short"], metric="kl", layer="b")
    x, z = rows["x"][:, 1, KL].tolist(), rows["z"][:3, 1, KL].tolist()
    assert answer["each"] == [x, [*z, None, None, None]]
    assert answer["low"][:3] == np.minimum(x[:3], z).tolist()
    assert answer["high"][3:] == x[3:]


def test_channels_of_all_runs(ask):
    answer = ask("layer", run=["x", "y"], layer="a")
    assert answer["steps"] == [0, 5]
    middle = answer["levels"].index(0.5)
    scale = np.sqrt(1 + 1e-3)
    # Of the shifts 3, 1, -3 and -1.
    assert answer["bands"]["mean"][middle] == [0, 0]
    np.testing.assert_allclose(answer["bands"]["mean"][0], [0, -3 / scale])
    np.testing.assert_allclose(answer["bands"]["mean"][-1], [0, 3 / scale])
    first, second = answer["channels"][:2]
    assert {(first["run"], first["channel"]), (second["run"], second["channel"])} == {("x", 0), ("y", 0)}


def test_the_model_of_several_runs(ask, rows):
    (row, _) = ask("model", run=["x", "y", "short"])["rows"]
    last = [rows["x"][5, 0, KL], rows["y"][5, 0, KL], rows["z"][2, 0, KL]]
    assert row["last"]["kl"] == pytest.approx(np.mean(last), rel=1e-6)
    assert (row["low"]["kl"], row["high"]["kl"]) == (min(last), max(last))
    assert (row["moved"], row["of"]) == (3, 3)
    assert row["says"] == "moved, though its statistics are held (1 of 3 runs)"


def test_performance_of_several_runs(ask):
    accuracy = ask("performance", run=["x", "y"])["measures"]["accuracy"]["training"]
    assert accuracy["steps"] == [0, 5]
    assert (accuracy["mean"], accuracy["low"], accuracy["high"]) == ([0.375, 0.75], [0.25, 0.5], [0.5, 1.0])


def test_layers_part_where_the_ranges_stay_apart_to_the_end(ask, rows):
    answer = ask("compare", a="x", b="far", metric="kl")
    difference = matrix(answer["difference"])
    np.testing.assert_allclose(difference[:, :3], 0)
    np.testing.assert_allclose(difference[:, 3:], 5, rtol=1e-6)
    assert [(one["layer"], one["step"]) for one in answer["parted"]] == [("a", 3), ("b", 3)]
    for one, layer in zip(answer["parted"], range(2), strict=True):
        assert one["b"] - one["a"] == pytest.approx(5, rel=1e-6)
        assert one["a"] == rows["x"][5, layer, KL]
    # The range of x and far holds x itself: they never part.
    assert ask("compare", a=["x", "far"], b="x", metric="kl")["parted"] == []
    assert {layer["updates"] for layer in ask("compare", a="short", b="x", metric="kl")["layers_of_a"]} == {
        False
    }


def test_findings_are_read_by_step_and_the_latest_file_counts(ask):
    answer = ask("findings", run=["x", "y"])
    assert [(one["run"], one["name"], one["step"]) for one in answer["findings"]] == [
        ("x", "lagging", 2),
        ("x", "nan", 4),
    ]
    assert answer["findings"][0] == {"run": "x", **GOOD}
    assert answer["skipped"] == []


def test_findings_that_cannot_be_read_are_named(ask):
    answer = ask("findings", run=["x", *BAD_FINDINGS])
    assert len(answer["findings"]) == 2
    assert {one["name"] for one in answer["skipped"]} == set(BAD_FINDINGS)
    assert all(0 < len(one["reason"]) <= 160 for one in answer["skipped"])
    assert ask("heat_map", run="script", metric="kl")["steps"] == [0, 1]  # the run itself is shown


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"step": -1},
        {"step": 1.5},
        {"cause": None},
        {"remedy": 3},
        {"layers": (3,)},
        {"layers": ["a"]},
        {"measured": float("nan")},
        {"expected": [1]},
        {"link": "javascript:alert(1)"},
        {"link": "http://example.org"},
        {"link": "//example.org/docs/"},
    ],
)
def test_findings_that_are_none(wrong):
    with pytest.raises(InputError, match=f"Expected `{next(iter(wrong))}` to be"):
        dataclasses.replace(FINDING, **wrong)


def test_what_is_no_finding_is_not_written(tmp_path):
    for wrong, what in (([GOOD], "hold findings"), (["x"], "hold"), ([FINDING] * 201, "be at most 200")):
        with pytest.raises(InputError, match=f"Expected `found` to {what}"):
            tfbn.summary.findings(tmp_path / "log", wrong)
    assert not (tmp_path / "log").exists()


def test_what_the_doctor_finds_stands_at_each_layer(tmp_path):
    bn = [tfbn.BatchNormalization(momentum=0.99, name=name) for name in LAYERS]
    model = keras.Sequential([keras.Input((2,)), *bn])
    found = tfbn.doctor(model, batch_size=32, steps=20)
    slow = next(finding for finding in found if finding.name == "slow-momentum")
    assert slow.layers == tuple(LAYERS)
    write(tmp_path / "run", range(2), np.ones((2, 2, 5), np.float32))
    tfbn.summary.findings(tmp_path / "run", [slow, dataclasses.replace(slow, layers=(), step=7)])
    read = Asking(PROVIDERS["slow"](tmp_path))("findings", run="run")["findings"]
    assert [(one["layer"], one["step"]) for one in read] == [("a", 0), ("b", 0), (None, 7)]
    assert {one["link"] for one in read} == {slow.link}
    assert {one["measured"] for one in read} == {slow.measured}


def test_of_no_step_there_is_nothing():
    nothing = pooled([np.zeros(0, np.int64)] * 2, [np.zeros((0, 3))] * 2, 9)
    assert nothing.mean().shape == nothing.low().shape == (0, 3)


def test_a_study_of_seventy_runs_has_its_hyperparameters(tmp_path):
    study.write_run(tmp_path / "run", study.SHIFTS[0], "batch", 0)
    (run,) = Asking(PROVIDERS["slow"](tmp_path))("runs")["runs"]
    assert run["hparams"] == {"arm": "batch", "shift": study.SHIFTS[0], "seed": "0"}
