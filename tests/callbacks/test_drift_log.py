"""`drift.parquet` appears whole or not at all, and grows in row groups."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tfbn.callbacks import drift_log
from tfbn.callbacks.drift_log import DriftLog, read_drift
from tfbn.statistics import drift

CHANNELS = {"stem/bn": 4, "head/bn": 2}


def values(rng, steps):
    return rng.uniform(size=(steps, len(CHANNELS), len(drift.METRICS))).astype(np.float32)


def test_rows_come_back_as_they_were(tmp_path, rng):
    log = DriftLog(tmp_path, CHANNELS)
    first, second = values(rng, 3), values(rng, 2)
    log.append(np.array([1, 2, 3]), 0, first)
    log.append(np.array([4, 5]), 1, second, np.array([[0.5, 1.5], [np.nan, np.nan]]))
    log.publish()
    frame = read_drift(tmp_path)
    assert frame["step"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert frame["epoch"].tolist() == [0] * 6 + [1] * 4
    assert frame["layer"].tolist() == ["stem/bn", "head/bn"] * 5
    assert list(frame["layer"].cat.categories) == list(CHANNELS)
    both = np.concatenate([first, second]).reshape(-1, len(drift.METRICS))
    np.testing.assert_array_equal(frame[list(drift.METRICS)].to_numpy(), both)
    probed = frame["mismatch"].notna()
    assert frame[probed][["step", "layer", "mismatch_mean_shift"]].values.tolist() == [[5, "stem/bn", 1.5]]


def test_nan_drift_is_not_null(tmp_path, rng):
    """A model that diverged has NaN; null means that nothing was measured."""
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([1]), 0, np.full_like(values(rng, 1), np.nan))
    log.publish()
    table = pq.read_table(tmp_path / drift_log.NAME)
    assert table["kl"].null_count == 0
    assert table["mismatch"].null_count == 2


def test_types_and_what_the_schema_carries(tmp_path, rng):
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([1]), 0, values(rng, 1))
    log.publish()
    schema = pq.read_schema(tmp_path / drift_log.NAME)
    assert [str(schema.field(name).type) for name in ("step", "epoch", "kl")] == ["int64", "int32", "float"]
    about = json.loads(schema.metadata[b"tfbn.drift"])
    assert about["layers"] == list(CHANNELS)
    assert about["channels"] == [4, 2]
    assert about["units"]["mean_shift"] == "reference standard deviations"


def test_nothing_is_visible_before_publish(tmp_path, rng):
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([1]), 0, values(rng, 1))
    assert not (tmp_path / drift_log.NAME).exists()
    log.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_abandoned_log_leaves_nothing(tmp_path, rng):
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([1]), 0, values(rng, 1))
    del log
    assert list(tmp_path.iterdir()) == []


def test_discard_keeps_the_earlier_rows(tmp_path, rng):
    for steps in ([1, 2], [3]):
        log = DriftLog(tmp_path, CHANNELS)
        log.append(np.array(steps), 0, values(rng, len(steps)))
        log.publish()
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([4]), 0, values(rng, 1))
    log.discard()
    assert read_drift(tmp_path)["step"].unique().tolist() == [1, 2, 3]


def test_memory_is_bounded_by_row_groups(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(drift_log, "ROWS_PER_GROUP", 100)
    log = DriftLog(tmp_path, CHANNELS)
    for start in range(0, 200, 10):
        log.append(np.arange(start, start + 10), 0, values(rng, 10))
        assert sum(table.num_rows for table in log._waiting) < 100
    log.publish()
    assert pq.ParquetFile(tmp_path / drift_log.NAME).num_row_groups == 4
    assert len(read_drift(tmp_path)) == 400


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and then nothing", "foreign"])
def test_reading_what_is_no_log(tmp_path, content):
    path = tmp_path / drift_log.NAME
    if content == "foreign":
        pd.DataFrame({"a": [1]}).to_parquet(path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Expected `folder` to hold a .*drift.parquet.*Received: folder="):
        read_drift(tmp_path)
