"""Logs that are empty, still being written, or damaged."""

import numpy as np
import pytest
from tensorboard.data import server_ingester

import tfbn
from tests.tensorboard.conftest import PROVIDERS, Asking
from tests.tensorboard.logs import LAYERS, MODES, reference
from tests.tensorboard.test_routes import matrix
from tfbn.statistics import drift
from tfbn.tensorboard_plugin.cache import RowsCache


@pytest.fixture
def log(tmp_path, rng):
    log = tfbn.summary.Writer(tmp_path / "run", reference(rng))
    log.begin(MODES)
    return log


def ask(folder):
    return Asking(PROVIDERS["slow"](folder))


def test_an_empty_folder(tmp_path):
    assert ask(tmp_path)("runs")["runs"] == []
    assert ask(tmp_path).response("model", run=".").status_code == 400


def test_a_run_that_has_only_begun(tmp_path, log):
    log.flush()
    asking = ask(tmp_path)
    assert [run["name"] for run in asking("runs")["runs"]] == ["run"]
    assert asking("heat_map", run="run", metric="kl")["steps"] == []
    assert asking("heat_map", run="run", metric="mismatch")["values"]["shape"] == [3, 0]
    assert asking("curves", run="run", metric="kl", layer=LAYERS[0])["mean"] == []
    assert asking("compare", a="run", b="run", metric="kl")["parted"] == []
    assert asking("findings", run="run") == {"findings": [], "skipped": []}
    assert asking("layer", run="run", layer=LAYERS[0])["bands"] == {}
    assert asking("performance", run="run")["measures"] == {}
    assert [row["moved"] for row in asking("model", run="run")["rows"]] == [0] * 3


def test_a_run_that_grows(tmp_path, log, rng):
    values = rng.uniform(size=(7, 3, 5)).astype(np.float32)
    ingester = PROVIDERS["slow"](tmp_path)
    asking = Asking(ingester)
    for begin, end in ((0, 3), (3, 7)):
        log.rows(np.arange(begin, end), values[begin:end])
        log.flush()
        # Reads again, as TensorBoard does every few seconds.
        ingester._multiplexer.AddRunsFromDirectory(str(tmp_path))
        ingester._multiplexer.Reload()
        assert asking("heat_map", run="run", metric="kl")["steps"] == list(range(end))


def test_a_file_that_was_cut_off(tmp_path, log, rng):
    log.rows(np.arange(4), rng.uniform(size=(4, 3, 5)))
    log.flush()
    log.rows(np.arange(4, 8), rng.uniform(size=(4, 3, 5)))
    log.close()
    (path,) = (tmp_path / "run").iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    assert ask(tmp_path)("heat_map", run="run", metric="kl")["steps"] == [0, 1, 2, 3]


def test_two_fits_of_one_model(tmp_path, log, rng):
    values = rng.uniform(size=(6, 3, 5)).astype(np.float32)
    log.rows(np.arange(3), values[:3])
    log.end(heat_maps=False)
    modes = dict.fromkeys(LAYERS, MODES[LAYERS[1]])
    log.begin(modes, first_step=2)
    log.rows(np.arange(2, 6), values[2:] + 1)
    log.end(heat_maps=False)
    answer = ask(tmp_path)("heat_map", run="run", metric="kl")
    assert answer["steps"] == list(range(6))
    # Of the step that both fits recorded, the later row.
    expected = np.concatenate([values[:2], values[2:] + 1])
    np.testing.assert_array_equal(matrix(answer["values"]), expected[:, :, drift.METRICS.index("kl")].T)
    # The modes are those of the latest fit.
    assert {layer["normalizes_by"] for layer in answer["layers"]} == {"moving"}


def test_the_cache_is_bounded_in_bytes_and_forgets_what_was_not_used():
    cache = RowsCache(capacity=100)
    for i in range(4):
        cache.put(i, "state", f"value {i}", 25)
    assert cache.get(0, "state") == "value 0"  # used last
    cache.put(4, "state", "value 4", 30)
    assert [cache.get(i, "state") for i in range(5)] == ["value 0", None, None, "value 3", "value 4"]
    cache.put(4, "next", "again", 25)  # what it replaces is not counted
    assert cache.get(3, "state") == "value 3"
    assert cache.get(4, "state") is None
    cache.put(5, "state", "large", 1000)
    assert [cache.get(i, "state") for i in (0, 3, 5)] == [None, None, "large"]


def test_the_fast_loader_is_there():
    # TensorBoard installs it on the platforms that CI has; without it half of the tests would be skipped.
    assert server_ingester.get_server_binary() is not None
