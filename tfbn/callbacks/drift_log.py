"""`drift.parquet`: one row for each recorded step and layer.

| column | type | |
|---|---|---|
| `step` | int64 | train steps since recording began; 0 is before the first one |
| `epoch` | int32 | epoch of that step, counted on over several fits |
| `layer` | dictionary of strings | path of the layer; the dictionary is in the model's order |
| `mean_shift`, `log_variance_ratio`, `kl`, `mean_l2`, `variance_l2` | float32 | see `tfbn.drift` |
| `mismatch`, `mismatch_mean_shift` | float32 or null | `tfbn.statistics.mismatch`; null if not probed |

The file's schema carries JSON under the key `tfbn.drift`: the version of this format,
the layers, their numbers of channels, the units.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfbn.statistics import drift, mismatch
from tfbn.utils.files import written_whole
from tfbn.utils.validation import fail

NAME = "drift.parquet"
VERSION = 1
UNITS = drift.UNITS | mismatch.UNITS
# One row group; so many rows wait in memory, about 5 MB.
ROWS_PER_GROUP = 131_072


class DriftLog:
    """Writes `drift.parquet` in row groups of one size. Nothing is visible before `publish`.

    If the file is there already, its rows are kept and new ones come after them. The same
    rows make the same file, byte for byte, in however many parts they came.

    Args:
        folder: Where the file shall be.
        channels: The number of channels of each layer, by path, in the model's order.

    Example:

    >>> log = DriftLog(folder, {"bn": 4})
    >>> log.append(np.array([0, 1]), epoch=0, values=np.zeros((2, 1, 5), "float32"))
    >>> log.publish()
    >>> read_drift(folder)[["step", "layer", "kl"]].values.tolist()
    [[0, 'bn', 0.0], [1, 'bn', 0.0]]
    """

    def __init__(self, folder: str | os.PathLike, channels: Mapping[str, int]):
        self._path = Path(folder) / NAME
        self._layers = list(channels)
        self._schema = _schema(channels)
        self._waiting: list[Any] = []
        self._files = contextlib.ExitStack()
        self._temporary = self._files.enter_context(written_whole(self._path))
        try:
            self._begin(self._path)
        except BaseException:
            self.discard()
            raise

    def _begin(self, earlier: Path) -> None:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(self._temporary, self._schema)
        if earlier.exists():
            with pq.ParquetFile(earlier) as file:
                for group in range(file.num_row_groups):
                    self._add(file.read_row_group(group).cast(self._schema))

    def append(
        self, steps: np.ndarray, epoch: int, values: np.ndarray, mismatches: np.ndarray | None = None
    ) -> None:
        """Adds the rows of some steps of one epoch.

        Args:
            steps: Shape `(n,)`.
            epoch: The epoch they belong to.
            values: Shape `(n, layers, len(drift.METRICS))`.
            mismatches: Shape `(layers, 2)`, measured after the last of the steps.
        """
        import pyarrow as pa

        if not len(steps):
            return
        layers, rows = len(self._layers), len(steps) * len(self._layers)
        probed = np.full((rows, len(mismatch.METRICS)), np.nan, np.float32)
        if mismatches is not None:
            probed[-layers:] = mismatches
        indices = pa.array(np.tile(np.arange(layers, dtype=np.int32), len(steps)))
        flat = values.reshape(rows, -1)
        columns = [
            pa.array(np.repeat(np.asarray(steps, np.int64), layers)),
            pa.array(np.full(rows, epoch, np.int32)),
            pa.DictionaryArray.from_arrays(indices, pa.array(self._layers, pa.string())),
            *(pa.array(np.ascontiguousarray(column, np.float32)) for column in flat.T),
            *(pa.array(np.ascontiguousarray(column), from_pandas=True) for column in probed.T),
        ]
        self._add(pa.Table.from_arrays(columns, schema=self._schema))

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the rows so far into another folder; the log goes on."""
        self._finish()
        shutil.copyfile(self._temporary, Path(folder) / NAME)
        self._begin(Path(folder) / NAME)

    def publish(self) -> None:
        """Finishes the file and puts it in its place."""
        self._finish()
        self._files.close()

    def discard(self) -> None:
        """Removes what was written since the log was opened."""
        with contextlib.suppress(_DiscardedError):
            self._files.__exit__(_DiscardedError, _DiscardedError(), None)

    def _add(self, table: Any) -> None:
        self._waiting.append(table)
        if sum(table.num_rows for table in self._waiting) >= ROWS_PER_GROUP:
            self._write(whole_groups=True)

    def _finish(self) -> None:
        self._write(whole_groups=False)
        self._writer.close()

    def _write(self, whole_groups: bool) -> None:
        """Writes what waits, or as much of it as fills groups."""
        import pyarrow as pa

        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting).unify_dictionaries().combine_chunks()
        rows = table.num_rows - (table.num_rows % ROWS_PER_GROUP if whole_groups else 0)
        self._writer.write_table(table.slice(0, rows), row_group_size=ROWS_PER_GROUP)
        self._waiting = [table.slice(rows)] if rows < table.num_rows else []


def rows_of(path: str | os.PathLike) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
    """The rows of a log, step by step, in memory for one row group.

    Args:
        path: A `drift.parquet`.

    Yields:
        `(step, values, mismatches)`: values of shape `(layers, len(drift.METRICS))`, and
        mismatches of shape `(layers, 2)`, or None where they were not probed.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        layers = len(json.loads(file.schema_arrow.metadata[b"tfbn.drift"])["layers"])
        left = np.zeros((0, 1 + len(drift.METRICS) + len(mismatch.METRICS)))
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=["step", *drift.METRICS, *mismatch.METRICS])
            # float64 holds these steps and float32 exactly; null becomes NaN.
            left = np.concatenate([left, np.stack([np.float64(column) for column in table.columns], axis=1)])
            whole = len(left) - len(left) % layers
            for rows in left[:whole].reshape(-1, layers, left.shape[1]):
                values, probed = np.split(np.float32(rows[:, 1:]), [len(drift.METRICS)], axis=1)
                yield int(rows[0, 0]), values, None if np.isnan(probed).all() else probed
            left = left[whole:]


def read_drift(folder: str | os.PathLike) -> Any:
    """What a `tfbn.DriftRecorder` wrote.

    Args:
        folder: The recorder's `log_dir`.

    Returns:
        A `pandas.DataFrame` with the columns named above; `layer` is a categorical in
        the model's order, and null is NaN.

    Raises:
        ValueError: There is no `drift.parquet` in the folder, or it is damaged.

    Example:

    >>> read_drift(folder / "nothing")
    Traceback (most recent call last):
    ...
    tfbn.utils.validation.InputError: Expected `folder` to hold a drift.parquet. Received: folder='...nothing'
    """
    import pyarrow.parquet as pq

    table, layers = _read(folder, pq.read_table)
    frame = table.to_pandas()
    frame["layer"] = frame["layer"].cat.set_categories(layers)
    return frame


def layers_in(folder: str | os.PathLike) -> list[str]:
    """The layers of a log; errors as in `read_drift`, without a look at the rows."""
    import pyarrow.parquet as pq

    return _read(folder, pq.ParquetFile)[1]


def _read(folder: str | os.PathLike, read: Callable[[Path], Any]) -> tuple[Any, list[str]]:
    import pyarrow as pa

    path = Path(folder) / NAME
    if not path.is_file():
        raise fail("folder", f"to hold a {NAME}", str(folder))
    try:
        found = read(path)
        schema = getattr(found, "schema_arrow", None) or found.schema
        return found, json.loads(schema.metadata[b"tfbn.drift"])["layers"]
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise fail("folder", f"to hold a whole {NAME} of this project ({error})", str(folder)) from error


def clear(folder: str | os.PathLike) -> None:
    """Removes a log from a folder, and what an interrupted run left of one."""
    folder = Path(folder)
    for path in [folder / NAME, *folder.glob(f".{NAME}.*.tmp")]:
        path.unlink(missing_ok=True)


def _schema(channels: Mapping[str, int]) -> Any:
    import pyarrow as pa

    about = {
        "version": VERSION,
        "layers": list(channels),
        "channels": [int(count) for count in channels.values()],
        "units": UNITS,
    }
    fields = [
        pa.field("step", pa.int64(), nullable=False),
        pa.field("epoch", pa.int32(), nullable=False),
        pa.field("layer", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        *(pa.field(name, pa.float32(), nullable=False) for name in drift.METRICS),
        *(pa.field(name, pa.float32()) for name in mismatch.METRICS),
    ]
    return pa.schema(fields, metadata={"tfbn.drift": json.dumps(about)})


class _DiscardedError(Exception):
    pass
