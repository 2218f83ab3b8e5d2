"""What the routes answer, against what was written."""

import base64
import json

import numpy as np
import pytest

from tests.tensorboard.logs import EPSILON, HOSTILE_RUN, LAYERS
from tfbn.statistics import drift
from tfbn.tensorboard_plugin import static_files
from tfbn.tensorboard_plugin.plugin import VIEWS, BatchNormPlugin

LONG = "long/seed0"


def matrix(answer):
    return np.frombuffer(base64.b64decode(answer["float32"]), "<f4").reshape(answer["shape"])


def test_runs(ask):
    answer = ask("runs")
    assert {run["name"]: run["layers"] for run in answer["runs"]} == {LONG: 3, HOSTILE_RUN: 3}
    assert answer["skipped"] == []
    hparams = {run["name"]: run["hparams"] for run in answer["runs"]}
    assert hparams == {LONG: {"arm": "long", "rate": "0.1", "seed": "0"}, HOSTILE_RUN: {}}
    assert [metric["name"] for metric in answer["metrics"]][:5] == list(drift.METRICS)


@pytest.mark.parametrize("metric", [*drift.METRICS, "mismatch"])
def test_a_short_run_comes_whole_and_to_the_bit(metric, ask, written):
    answer = ask("heat_map", run=HOSTILE_RUN, metric=metric)
    run = written.runs[HOSTILE_RUN]
    assert [layer["path"] for layer in answer["layers"]] == LAYERS
    if metric == "mismatch":
        expected, steps = run.mismatches[:, :, 0], [6, 13, 19]
    else:
        expected, steps = run.values[:, :, drift.METRICS.index(metric)], run.steps.tolist()
    assert answer["steps"] == steps
    np.testing.assert_array_equal(matrix(answer["values"]), expected.T)


def test_a_long_run_is_thinned_evenly_and_its_values_are_exact(ask, written):
    run = written.runs[LONG]
    answer = ask("heat_map", run=LONG, metric="kl", columns=300)
    steps = np.array(answer["steps"])
    assert len(steps) == 300
    assert (steps[0], steps[-1]) == (0, run.steps[-1])
    assert np.ptp(np.diff(steps)) <= 2 * 10  # recorded: every 10th or so
    assert 1500 <= answer["recorded"] <= 2001
    expected = run.values[steps // 2, :, drift.METRICS.index("kl")]
    np.testing.assert_array_equal(matrix(answer["values"]), expected.T)


def test_a_range_of_steps(ask):
    steps = ask("heat_map", run=LONG, metric="kl", first=500, last=999, columns=400)["steps"]
    assert len(steps) > 40
    assert min(steps) >= 500
    assert max(steps) <= 999
    nothing = ask("heat_map", run=HOSTILE_RUN, metric="kl", first=1000)
    assert nothing["steps"] == []
    assert nothing["values"]["shape"] == [3, 0]


def test_the_model(ask, written):
    answer = ask("model", run=HOSTILE_RUN)
    rows = {row["path"]: row for row in answer["rows"]}
    assert list(rows) == LAYERS
    last = written.runs[HOSTILE_RUN].values[-1]
    for i, path in enumerate(LAYERS):
        assert list(rows[path]["last"].values())[:5] == last[i].tolist()
        assert rows[path]["channels"] == 5
    assert rows[LAYERS[0]]["says"] is None
    assert rows[LAYERS[1]]["says"] == "moved, though its statistics are held"
    assert rows[LAYERS[2]]["says"] == "did not move, though its statistics update"
    assert (rows[LAYERS[1]]["normalizes_by"], rows[LAYERS[1]]["trains"]) == ("moving", False)
    assert answer["step"] == 19


def test_a_layer(ask, written):
    run = written.runs[HOSTILE_RUN]
    answer = ask("layer", run=HOSTILE_RUN, layer=LAYERS[0])
    assert answer["steps"] == [10 * i for i in range(12)]
    now = np.float64([snapshot[LAYERS[0]] for snapshot in run.channels])
    before = run.reference[LAYERS[0]]
    moves = (now[:, 0] - np.float32(before.mean)) / np.sqrt(np.float32(before.variance) + EPSILON)
    median = answer["bands"]["mean"][answer["levels"].index(0.5)]
    np.testing.assert_allclose(median, np.median(moves, axis=1), rtol=1e-5)
    ratios = np.log((now[:, 1] + EPSILON) / (np.float32(before.variance) + EPSILON))
    np.testing.assert_allclose(answer["bands"]["variance"][-1], ratios.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(answer["bands"]["gamma"][0], now[:, 2].min(axis=1), rtol=1e-6)
    first = answer["channels"][0]
    divergence = 0.5 * (moves[-1] ** 2 + np.exp(ratios[-1]) - 1 - ratios[-1])
    assert first["channel"] == divergence.argmax()
    assert first["kl"] == pytest.approx(divergence.max(), rel=1e-5)
    assert first["now"] == now[-1, :, first["channel"]].tolist()
    curve = ask("curves", run=HOSTILE_RUN, layer=LAYERS[0], metric="mean_shift")
    assert curve["mean"] == curve["low"] == curve["high"] == curve["each"][0] == run.values[:, 0, 0].tolist()


def test_a_layer_without_gamma(ask):
    answer = ask("layer", run=HOSTILE_RUN, layer=LAYERS[1])
    assert answer["bands"]["gamma"] is None
    assert answer["bands"]["mean"] is not None
    assert answer["channels"][0]["now"][2:] == [None, None]


def test_performance(ask, written):
    answer = ask("performance", run=HOSTILE_RUN)
    assert list(answer["measures"]) == ["accuracy", "loss"]
    accuracy = answer["measures"]["accuracy"]["inference"]
    assert (accuracy["steps"], accuracy["mean"]) == ([0, 10, 20], [0, 0.25, 0.5])
    assert set(answer["measures"]["loss"]) == {"training"}
    mismatches = written.runs[HOSTILE_RUN].mismatches[:, :, 0]
    assert answer["mismatch"]["largest"]["mean"] == mismatches.max(axis=1).tolist()


RUN = {"run": HOSTILE_RUN}
BAD = [
    ("heat_map", {"metric": "kl"}, "Expected `run` to be given"),
    ("heat_map", {"run": "nope", "metric": "kl"}, "Expected `run` to be a run with BatchNorm data"),
    ("heat_map", {"run": "other", "metric": "kl"}, "Expected `run` to be a run with BatchNorm data"),
    ("heat_map", {"run": "long/seed1", "metric": "kl"}, "did you mean long/seed0?"),
    ("heat_map", {"run": "../secret.txt", "metric": "kl"}, "Expected `run` to be a run"),
    ("heat_map", {"run": "/etc/passwd", "metric": "kl"}, "Expected `run` to be a run"),
    ("heat_map", RUN, "Expected `metric` to be given"),
    ("heat_map", {**RUN, "metric": "KL"}, "Expected `metric` to be one of"),
    (
        "heat_map",
        {**RUN, "metric": "kl", "columns": "1"},
        "Expected `columns` to be a whole number in [2, 2000]",
    ),
    ("heat_map", {**RUN, "metric": "kl", "columns": "many"}, "Expected `columns` to be a whole number"),
    ("heat_map", {**RUN, "metric": "kl", "columns": "٣٠٠"}, "Expected `columns` to be a whole number"),
    ("heat_map", {**RUN, "metric": "kl", "first": "-1"}, "Expected `first` to be a step"),
    ("heat_map", {**RUN, "metric": "kl", "last": "1e3"}, "Expected `last` to be a step"),
    ("heat_map", {**RUN, "metric": "kl", "last": "9" * 30}, "Expected `last` to be a step"),
    ("heat_map", {**RUN, "metric": "kl", "first": "9", "last": "3"}, "Expected `first` to be at most last=3"),
    ("layer", RUN, "Expected `layer` to be given"),
    ("layer", {**RUN, "layer": "stem/bm"}, "did you mean stem/bn?"),
    ("curves", {**RUN, "metric": "kl", "layer": "stem/bm"}, "did you mean stem/bn?"),
    ("compare", {"a": HOSTILE_RUN, "metric": "kl"}, "Expected `b` to be given"),
    ("heat_map", {"run": list(map(str, range(501))), "metric": "kl"}, "to be given at most 500 times"),
    ("layer", {**RUN, "layer": LAYERS[0], "first": "x"}, "Expected `first` to be a step"),
    ("model", {}, "Expected `run` to be given"),
    ("model", {"run": ""}, "Expected `run` to be a run"),
    ("performance", {"run": "\x00"}, "Expected `run` to be a run"),
]


@pytest.mark.parametrize(("route", "arguments", "reason"), BAD)
def test_bad_requests_get_status_400_and_the_reason(route, arguments, reason, ask):
    response = ask.response(route, **arguments)
    assert response.status_code == 400
    assert response.content_type == "application/json"
    assert reason in response.json["error"]


@pytest.mark.parametrize("name", ["run", "metric", "columns", "layer"])
def test_error_answers_are_bounded(name, ask):
    arguments = {**RUN, "metric": "kl", "layer": LAYERS[0], name: "x" * 50_000}
    response = ask.response("layer" if name == "layer" else "heat_map", **arguments)
    assert response.status_code == 400
    assert 50 < len(response.json["error"]) <= 600


@pytest.mark.parametrize("route", ["runs", "heat_map", "index.js"])
def test_data_routes_answer_get_and_head_only(route, ask):
    arguments = {**RUN, "metric": "kl"}
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "NONSENSE"):
        response = ask.response(route, method, **arguments)
        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
        assert len(response.text) < 200
    head = ask.response(route, "HEAD", **arguments)
    assert (head.status_code, head.text) == (200, "")


def test_answers_are_strict_json(ask):
    def no_constants(constant):
        raise AssertionError(constant)

    for route in VIEWS:
        arguments = {**RUN, "metric": "kl", "layer": LAYERS[1], "a": HOSTILE_RUN, "b": LONG}
        json.loads(ask.response(route.removeprefix("/"), **arguments).text, parse_constant=no_constants)


@pytest.mark.parametrize(
    "path", ["../plugin.py", "../../files.py", "%2e%2e/plugin.py", "/etc/passwd", "LICENSE.txt"]
)
def test_only_the_pages_own_files_are_served(path, ask):
    assert ask.response(path).status_code == 404


def test_the_pages_files(ask):
    routes = static_files.apps()
    assert static_files.ENTRY in routes
    for route in routes:
        response = ask.response(route.removeprefix("/"))
        assert response.status_code == 200
        assert response.content_type.startswith(("text/javascript", "text/css", "text/html"))
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert (static_files.FOLDER / "uplot" / "LICENSE.txt").read_text().startswith("The MIT License")


def test_the_entry_point_is_installed():
    from importlib.metadata import entry_points

    (found,) = entry_points(group="tensorboard_plugins", name="tfbn")
    assert found.load() is BatchNormPlugin
