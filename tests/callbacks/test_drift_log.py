"""Rows can be read as soon as they are written, and end in one file of row groups."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tfbn.callbacks import drift_log
from tfbn.callbacks.drift_log import DriftLog
from tfbn.callbacks.log_files import NAME, clear, last_step, read_drift, rows_of
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
    table = pq.read_table(tmp_path / NAME)
    assert table["kl"].null_count == 0
    assert table["mismatch"].null_count == 2


def test_types_and_what_the_schema_carries(tmp_path, rng):
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([1]), 0, values(rng, 1))
    log.publish()
    schema = pq.read_schema(tmp_path / NAME)
    assert [str(schema.field(name).type) for name in ("step", "epoch", "kl")] == ["int64", "int32", "float"]
    about = json.loads(schema.metadata[b"tfbn.drift"])
    assert about["layers"] == list(CHANNELS)
    assert about["channels"] == [4, 2]
    assert about["units"]["mean_shift"] == "reference standard deviations"


def test_rows_can_be_read_before_publish(tmp_path, rng):
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([1]), 0, values(rng, 1))
    log.flush()
    log.append(np.array([2, 3]), 0, values(rng, 2))
    assert read_drift(tmp_path)["step"].unique().tolist() == [1]
    log.flush()
    del log  # as after a crash
    assert read_drift(tmp_path)["step"].unique().tolist() == [1, 2, 3]
    assert last_step(tmp_path) == 3


def test_a_part_that_is_published_already_counts_once(tmp_path, rng):
    """A crash between the new file and the removal of the parts leaves both."""
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([1, 2]), 0, values(rng, 2))
    log.flush()
    (part,) = tmp_path.glob("drift.*.parquet")
    kept = part.read_bytes()
    log.publish()
    part.write_bytes(kept)
    assert read_drift(tmp_path)["step"].tolist() == [1, 1, 2, 2]
    later = DriftLog(tmp_path, CHANNELS)
    later.append(np.array([3]), 1, values(rng, 1))
    later.publish()
    assert read_drift(tmp_path)["step"].tolist() == [1, 1, 2, 2, 3, 3]
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_damaged_part_is_named(tmp_path, rng):
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([1]), 0, values(rng, 1))
    log.publish()
    (tmp_path / "drift.00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"to hold a whole drift\.parquet"):
        read_drift(tmp_path)


def test_epochs_that_are_trained_again_are_dropped(tmp_path, rng):
    log = DriftLog(tmp_path, CHANNELS)
    for epoch in range(3):
        log.append(np.arange(4) + 4 * epoch, epoch, values(rng, 4))
    log.flush()
    drift_log.keep_epochs_before(tmp_path, 2)
    assert read_drift(tmp_path)["step"].unique().tolist() == list(range(8))
    assert [step for step, _, _ in rows_of(tmp_path)] == list(range(8))


def test_clear_leaves_other_files(tmp_path, rng):
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([1]), 0, values(rng, 1))
    log.flush()
    (tmp_path / "notes.txt").write_text("mine")
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("pieces", [[25], [10, 15], [1] * 25])
def test_a_log_is_the_same_in_however_many_parts_it_came(pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(drift_log, "ROWS_PER_GROUP", 16)
    everything = values(np.random.default_rng(1), 25)
    whole, parts = (DriftLog(tmp_path / name, CHANNELS) for name in ("whole", "parts"))
    whole.append(np.arange(25), 0, everything)
    done = 0
    for size in pieces:
        parts.append(np.arange(done, done + size), 0, everything[done : done + size])
        parts.flush()
        done += size
    whole.publish(), parts.publish()
    assert (tmp_path / "whole" / NAME).read_bytes() == (tmp_path / "parts" / NAME).read_bytes()


def test_memory_is_bounded_by_row_groups(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(drift_log, "ROWS_PER_GROUP", 100)
    log = DriftLog(tmp_path, CHANNELS)
    for start in range(0, 200, 10):
        log.append(np.arange(start, start + 10), 0, values(rng, 10))
        assert sum(table.num_rows for table in log._waiting) < 100
    assert len(list(tmp_path.glob("drift.*.parquet"))) == 4
    log.publish()
    assert pq.ParquetFile(tmp_path / NAME).num_row_groups == 4
    assert len(read_drift(tmp_path)) == 400


def test_a_kill_at_any_moment_leaves_all_that_was_flushed(tmp_path, rng, monkeypatch):
    """A kill leaves the folder as it is between two operations on files; each such state is kept here."""
    monkeypatch.setattr(drift_log, "ROWS_PER_GROUP", 6)
    folder, states, flushed = tmp_path / "log", [], -1

    def watch(owner, name):
        operation = getattr(owner, name)

        def watched(*args, **kwargs):
            keep()
            result = operation(*args, **kwargs)
            keep()
            return result

        monkeypatch.setattr(owner, name, watched)

    def keep():
        states.append((shutil.copytree(folder, tmp_path / f"state{len(states)}"), flushed))

    for owner, name in [(Path, "replace"), (Path, "unlink"), (Path, "chmod"), (pq, "write_table")]:
        watch(owner, name)
    everything = values(rng, 14)
    log = DriftLog(folder, CHANNELS)
    folder.mkdir()
    for step in range(14):
        log.append(np.array([step]), 0, everything[step : step + 1])
        log.flush()
        flushed = step
        if step in (7, 13):
            log.publish()
    monkeypatch.undo()
    assert len(states) > 100
    for state, last in states:
        found = [step for step, _, _ in rows_of(state)] if last >= 0 else list(range(last + 1))
        assert found == list(range(len(found))), state
        assert found[last:] in ([last], [last, last + 1]) or last < 0
        again = DriftLog(state, CHANNELS)  # another recorder goes on there
        again.append(np.array([20]), 1, everything[:1])
        again.publish()
        assert read_drift(state)["step"].unique().tolist()[last + 1 :] in ([20], [last + 1, 20])
        assert [path.name for path in state.iterdir()] == [NAME]


def test_it_can_be_read_while_another_process_publishes(tmp_path, rng, monkeypatch):
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([1, 2]), 0, values(rng, 2))
    log.flush()
    opened = pq.ParquetFile

    def published_before(path):
        if not (tmp_path / NAME).exists():
            monkeypatch.setattr(pq, "ParquetFile", opened)
            log.publish()
        return opened(path)

    monkeypatch.setattr(pq, "ParquetFile", published_before)
    assert read_drift(tmp_path)["step"].tolist() == [1, 1, 2, 2]


def test_another_version_is_not_read_as_this_one(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(drift_log, "VERSION", 2)
    log = DriftLog(tmp_path, CHANNELS)
    log.append(np.array([1]), 0, values(rng, 1))
    log.publish()
    with pytest.raises(ValueError, match=r"of format 1, which this tfbn reads; it has format 2"):
        read_drift(tmp_path)


@pytest.mark.parametrize("folder", [None, 3, ["log"]])
def test_a_folder_is_a_path(folder):
    with pytest.raises(ValueError, match=r"Expected `folder` to be the path of a folder. Received: folder="):
        read_drift(folder)


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and then nothing", "foreign"])
def test_reading_what_is_no_log(tmp_path, content):
    path = tmp_path / NAME
    if content == "foreign":
        pd.DataFrame({"a": [1]}).to_parquet(path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Expected `folder` to hold a .*drift.parquet.*Received: folder="):
        read_drift(tmp_path)
