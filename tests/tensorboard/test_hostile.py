"""Runs that are damaged, foreign or of a later format: skipped and named, and the others are shown."""

import json

import numpy as np
import pytest

from tests.tensorboard.conftest import PROVIDERS, Asking
from tests.tensorboard.logs import LAYERS, Written
from tfbn.summary import tags
from tfbn.summary.event_file import EventFile
from tfbn.summary.plugin_values import json_value, summary, tensor_value

LAYER = {"path": "bn", "channels": 2, "epsilon": 1e-3, "normalizes_by": "batch", "updates": True, "trains": 1}
ABOUT = {"version": 1, "layers": [LAYER, {**LAYER, "path": "next"}]}


def about(content):
    return json_value(tags.about(0), content)


def raw(content):
    return tensor_value(tags.about(0), np.array(content, dtype=object))


def damaged():
    value = about(ABOUT)
    value.tensor.dtype = 9999
    return value


def with_content(content):
    value = about(ABOUT)
    value.metadata.plugin_data.content = content
    return value


# Name -> the description of the run, and what is said of it.
DESCRIPTIONS = {
    "list": (about([1, 2]), "type list"),
    "text": (about("layers"), "type str"),
    "no json": (raw(b"{layers: 1}"), "no JSON"),
    "not utf-8": (raw(b'{"version": "\xff"}'), "no JSON"),
    "nested": (raw(b"[" * 100_000 + b"]" * 100_000), "nested too deep"),
    "nested objects": (raw(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "nested too deep"),
    "float": (tensor_value(tags.about(0), np.zeros((2, 2), np.float32)), "no text"),
    "two texts": (raw([b"{}", b"{}"]), "no text"),
    "later": (about({**ABOUT, "version": 7}), "format 7, and this tfbn reads up to 1"),
    "later tag": (with_content(b'{"version": 8}'), "format 8"),
    "no version": (about({"layers": [LAYER]}), "no version"),
    "version true": (about({**ABOUT, "version": True}), "no version"),
    "foreign tag": (with_content(b"\x08\x01"), "plugin data"),
    "NaN": (about({**ABOUT, "layers": [{**LAYER, "epsilon": float("nan")}]}), "NaN is not a JSON number"),
    "huge": (raw(json.dumps(ABOUT).replace("0.001", "1e999").encode()), "layer 0"),
    "no layers": (about({"version": 1, "layers": []}), "no list of layers"),
    "layers of text": (about({"version": 1, "layers": ["bn"]}), "layer 0"),
    "layer without path": (about({"version": 1, "layers": [LAYER, {**LAYER, "path": None}]}), "layer 1"),
    "mode of two": (about({"version": 1, "layers": [{**LAYER, "normalizes_by": ["batch"]}]}), "layer 0"),
    "twice": (about({"version": 1, "layers": [LAYER, LAYER]}), "one path"),
    "damaged": (damaged(), ""),
    "rows only": (tensor_value("tfbn/drift/00000/steps", np.arange(2)), "no description"),
}  # fmt: skip


def write(folder, *values):
    events = EventFile(folder, ".tfbn_drift")
    events.add(0, summary(*values))
    events.close()


@pytest.fixture(scope="module", params=PROVIDERS)
def ask(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    Written(folder / "good", 20, np.random.default_rng(0))
    for name, (value, _) in DESCRIPTIONS.items():
        write(folder / name, value)
    for name, values in ROWS.items():
        write(folder / "rows" / name, about(ABOUT), *values)
    return Asking(PROVIDERS[request.param](folder))


def block(steps, values):
    return [tensor_value("tfbn/drift/00000/steps", steps), tensor_value("tfbn/drift/00000/values", values)]


STEPS, VALUES = np.arange(3), np.ones((3, 2, 5), np.float32)
CHANNELS = tags.channels(0, 0)
# Name -> tensors besides a good description.
ROWS = {
    "flat": block(STEPS, VALUES[0]),
    "layers": block(STEPS, VALUES[:, :1]),
    "metrics": block(STEPS, VALUES[..., :4]),
    "float steps": block(STEPS.astype(np.float32), VALUES),
    "steps of two axes": block(STEPS[None], VALUES),
    "text values": block(STEPS, np.full((3, 2, 5), b"x", dtype=object)),
    "channels": [
        *block(STEPS, VALUES),
        tensor_value(tags.reference(0), np.ones((2, 2), np.float32)),
        tensor_value(CHANNELS, np.ones((4, 3), np.float32)),
    ],
    "reference": [
        *block(STEPS, VALUES),
        tensor_value(tags.reference(0), np.ones(2, np.float32)),
        tensor_value(CHANNELS, np.ones((4, 2), np.float32)),
    ],
}


def test_bad_descriptions_are_named_and_the_good_run_is_listed(ask):
    answer = ask("runs")
    reasons = {run["name"]: run["reason"] for run in answer["skipped"]}
    shown = {run["name"] for run in answer["runs"]}
    assert shown == {"good", *(f"rows/{name}" for name in ROWS)}
    # A tensor that no reader knows does not pass TensorBoard's fast loader.
    expected = set(DESCRIPTIONS) - (set() if "damaged" in reasons else {"damaged"})
    assert set(reasons) == expected
    for name in expected:
        assert DESCRIPTIONS[name][1] in reasons[name], reasons[name]
        assert len(reasons[name]) <= 160


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_bad_description_is_a_bad_request(name, ask):
    for route in ("heat_map", "model", "performance"):
        response = ask.response(route, run=name, metric="kl")
        assert response.status_code == 400
        assert "Expected `run` to be a run" in response.json["error"]


@pytest.mark.parametrize("name", [name for name in ROWS if name not in ("channels", "reference")])
def test_rows_of_a_wrong_shape_are_a_bad_request_alone_and_skipped_in_a_group(name, ask):
    run = f"rows/{name}"
    for route in ("heat_map", "model"):
        alone = ask.response(route, run=run, metric="kl")
        assert alone.status_code == 400
        assert "not float32" in alone.json["error"] or "not int64" in alone.json["error"]
        together = ask(route, run=[run, "good"], metric="kl")
        assert together["runs"] == ["good"]
        assert [skipped["name"] for skipped in together["skipped"]] == [run]
    good = ask("heat_map", run="good", metric="kl")
    assert ask("heat_map", run=[run, "good"], metric="kl")["values"] == good["values"]


@pytest.mark.parametrize("name", ["channels", "reference"])
def test_channels_of_a_wrong_shape_take_down_nothing_else(name, ask):
    run = f"rows/{name}"
    assert ask.response("layer", run=run, layer="bn").status_code == 400
    assert ask("heat_map", run=run, metric="kl")["steps"] == [0, 1, 2]
    assert ask("layer", run="good", layer=LAYERS[0])["steps"]
