"""The files of a drift log and their contents."""

import contextlib
import json
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from tfbn.statistics import drift, mismatch
from tfbn.utils.validation import fail

NAME = "drift.parquet"
PARTS = "drift.*.parquet"
TEMPORARY = ".drift*.tmp"
REFERENCE = "drift_reference.npz"
VERSION = 1
# What reading a damaged log raises.
DAMAGED = (pa.ArrowException, OSError, KeyError, TypeError, ValueError)
# Folder -> the recording of this process that writes there, so that a reader sees the latest rows.
UNDER_WAY: "weakref.WeakValueDictionary[Path, Any]" = weakref.WeakValueDictionary()
# Folder -> the recorder of this process that owns it, from the beginning of its training to the end.
CLAIMED: "weakref.WeakValueDictionary[Path, Any]" = weakref.WeakValueDictionary()


def read_drift(folder: str | os.PathLike) -> Any:
    """Reads the log of a `tfbn.DriftRecorder`, also while it is still recording.

    If training was interrupted or killed, it returns what had been written by then.

    Args:
        folder: The recorder's `log_dir`.

    Returns:
        A `pandas.DataFrame` with the columns of `tfbn.callbacks.drift_log`; `layer` is a
        categorical in the model's order, and null is NaN.

    Raises:
        InputError: There is no `drift.parquet` in the folder, or it is damaged or of a later format.

    Example:

    >>> read_drift(folder / "nothing")
    Traceback (most recent call last):
    ...
    tfbn.utils.validation.InputError: Expected `folder` to hold a drift.parquet. Received: folder='...nothing'
    """
    if not isinstance(folder, str | os.PathLike):
        raise fail("folder", "to be the path of a folder", folder)
    folder = Path(folder)
    bring_up_to_date(folder)
    layers = list(channels_in(folder))
    try:
        frame = pa.concat_tables(_all_tables(folder)).unify_dictionaries().to_pandas()
        frame["layer"] = frame["layer"].cat.set_categories(layers)
    except DAMAGED as error:
        raise _damaged(folder, error) from error
    return frame


def bring_up_to_date(folder: Path) -> None:
    """Makes a recorder of this process write its buffered rows."""
    recording = UNDER_WAY.get(folder.resolve())
    if recording is not None:
        recording.write()


def files_of(folder: Path) -> list[Path]:
    """The log's files in the order of their rows."""
    whole = folder / NAME
    return [*([whole] if whole.is_file() else []), *sorted(folder.glob(PARTS))]


def channels_in(folder: str | os.PathLike) -> dict[str, int]:
    """The layers of a log with their numbers of channels; errors as in `read_drift`."""
    folder = Path(folder)
    files = files_of(folder)
    if not files:
        raise fail("folder", f"to hold a {NAME}", str(folder))
    try:
        about = json.loads(pq.read_schema(files[0]).metadata[b"tfbn.drift"])
        channels = dict(zip(about["layers"], about["channels"], strict=True))
        version = about["version"]
    except DAMAGED as error:
        raise _damaged(folder, error) from error
    if version != VERSION:
        what = f"to hold a {NAME} of format {VERSION}, which this tfbn reads; it has format {version!r}"
        raise fail("folder", what, str(folder))
    return channels


def tables_of(folder: Path) -> Iterator[Any]:
    """The rows in order, a table for each row group.

    A crash can leave a part whose rows are in `drift.parquet` already; those are read once.
    """
    last = -1
    for path in files_of(folder):
        before = last
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):  # one in memory at a time
                table = file.read_row_group(group)
                steps = table["step"]
                if before >= 0 and pa.compute.min(steps).as_py() <= before:
                    table = table.filter(pa.compute.greater(steps, before))
                last = max(last, pa.compute.max(steps).as_py())
                yield table


def _all_tables(folder: Path) -> list[Any]:
    """All rows, also of a log whose parts another process is just putting into one file."""
    for _ in range(5):
        with contextlib.suppress(FileNotFoundError):  # a part that was listed: it is in the one file now
            return list(tables_of(folder))
    return list(tables_of(folder))


def rows_of(folder: str | os.PathLike) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
    """Iterates over a log step by step, with one row group in memory.

    Args:
        folder: The folder of the log.

    Yields:
        `(step, values, mismatches)`: values of shape `(layers, len(drift.METRICS))`, and
        mismatches of shape `(layers, 2)`, or None where they were not probed.
    """
    layers = len(channels_in(folder))
    left = np.zeros((0, 1 + len(drift.METRICS) + len(mismatch.METRICS)))
    for table in tables_of(Path(folder)):
        columns = [table[name] for name in ("step", *drift.METRICS, *mismatch.METRICS)]
        # float64 holds these steps and float32 exactly; null becomes NaN.
        left = np.concatenate([left, np.stack([np.float64(column) for column in columns], axis=1)])
        whole = len(left) - len(left) % layers
        for rows in left[:whole].reshape(-1, layers, left.shape[1]):
            values, probed = np.split(np.float32(rows[:, 1:]), [len(drift.METRICS)], axis=1)
            yield int(rows[0, 0]), values, None if np.isnan(probed).all() else probed
        left = left[whole:]


def last_step(folder: str | os.PathLike) -> int:
    """The step of the last row; -1 without rows. Errors as in `read_drift`."""
    tables = tables_of(Path(folder))
    try:
        return max((pa.compute.max(table["step"]).as_py() for table in tables if len(table)), default=-1)
    except DAMAGED as error:
        raise _damaged(Path(folder), error) from error


def is_claimed(folder: Path, owner: Any) -> bool:
    """Whether another recorder writes, or will write, a log there."""
    return CLAIMED.get(folder.resolve(), owner) is not owner


def release(folder: Path, owner: Any) -> None:
    """Releases the folder."""
    if CLAIMED.get(folder.resolve()) is owner:
        del CLAIMED[folder.resolve()]


def clear(folder: str | os.PathLike) -> None:
    """Removes a log from a folder, and the remains of an interrupted one."""
    folder = Path(folder)
    for path in [*files_of(folder), folder / REFERENCE, *folder.glob(TEMPORARY)]:
        path.unlink(missing_ok=True)


def _damaged(folder: Path, error: Exception) -> Exception:
    return fail("folder", f"to hold a whole {NAME} of this project ({error})", str(folder))
