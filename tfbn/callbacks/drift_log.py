"""`drift.parquet`: one row for each recorded step and layer.

| column | type | |
|---|---|---|
| `step` | int64 | train steps since recording began; 0 is before the first one |
| `epoch` | int32 | epoch of that step, counted across fits |
| `layer` | dictionary of strings | path of the layer; the dictionary is in the model's order |
| `mean_shift`, `log_variance_ratio`, `kl`, `mean_l2`, `variance_l2` | float32 | see `tfbn.drift` |
| `mismatch`, `mismatch_mean_shift` | float32 or null | `tfbn.statistics.mismatch`; null if not probed |

The file's schema carries JSON under the key `tfbn.drift`: the version of this format,
the layers, their numbers of channels, the units.

While a model trains, rows are in parts, `drift.00000.parquet` and so on, each written atomically.
They can be read however training ends; `publish` merges them into the one file.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfbn.callbacks.log_files import NAME, PARTS, TEMPORARY, VERSION, files_of, tables_of
from tfbn.statistics import drift, mismatch
from tfbn.utils.files import written_whole

UNITS = drift.UNITS | mismatch.UNITS
# Rows of a row group; up to this many are buffered in memory, about 5 MB.
ROWS_PER_GROUP = 131_072


class DriftLog:
    """Appends rows to the log of a folder.

    Rows that are in the folder already are kept, and new ones come after them. The same rows
    give the same `drift.parquet`, byte for byte, regardless of how many parts they came in.

    Args:
        folder: The folder of the log; it is created if missing.
        channels: The number of channels of each layer, by path, in the model's order.

    Example:

    >>> log = DriftLog(folder, {"bn": 4})
    >>> log.append(np.array([0, 1]), epoch=0, values=np.zeros((2, 1, 5), "float32"))
    >>> log.flush()
    >>> tfbn.callbacks.read_drift(folder)[["step", "layer", "kl"]].values.tolist()
    [[0, 'bn', 0.0], [1, 'bn', 0.0]]
    >>> log.publish()
    >>> [path.name for path in folder.iterdir()]
    ['drift.parquet']
    """

    def __init__(self, folder: str | os.PathLike, channels: Mapping[str, int]):
        self._folder = Path(folder)
        self._layers = list(channels)
        self._schema = schema_of(channels)
        self._waiting: list[Any] = []
        self._unwritten = False
        self._number = len(list(self._folder.glob(PARTS)))

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
        self._waiting.append(pa.Table.from_arrays(columns, schema=self._schema))
        self._unwritten = True
        if sum(table.num_rows for table in self._waiting) >= ROWS_PER_GROUP:
            self.flush()
            self._waiting, self._number = [], self._number + 1

    def flush(self) -> None:
        """Writes the buffered rows as a complete part, which can be read from then on."""
        if self._unwritten:
            path = self._folder / PARTS.replace("*", f"{self._number:05d}")
            with written_whole(path) as temporary:
                pq.write_table(pa.concat_tables(self._waiting), temporary)
            self._unwritten = False

    def publish(self) -> None:
        """Puts all rows into `drift.parquet` and removes the parts."""
        self.flush()
        rewrite(self._folder, self._schema, tables_of(self._folder))
        self._waiting, self._number = [], 0


def keep_epochs_before(folder: str | os.PathLike, epoch: int) -> None:
    """Drops the rows of an epoch and of later ones, which will be trained again."""
    folder = Path(folder)
    schema = pq.read_schema(files_of(folder)[0])
    kept = (table.filter(pa.compute.less(table["epoch"], epoch)) for table in tables_of(folder))
    rewrite(folder, schema, kept)


def rewrite(folder: Path, schema: Any, tables: Iterable[Any]) -> None:
    """Writes rows as the one file of a folder, in row groups of one size, and removes the others."""
    parts = sorted(folder.glob(PARTS))
    with written_whole(folder / NAME) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for group in _groups(table.cast(schema) for table in tables):
            writer.write_table(group, row_group_size=ROWS_PER_GROUP)
    for part in [*parts, *folder.glob(TEMPORARY)]:  # the latter of a process that was killed
        part.unlink()


def _groups(tables: Iterable[Any]) -> Iterator[Any]:
    """The same rows in tables of `ROWS_PER_GROUP` rows; the last may have fewer."""
    waiting: list[Any] = []
    for table in tables:
        waiting.append(table)
        if sum(each.num_rows for each in waiting) >= ROWS_PER_GROUP:
            joined = _joined(waiting)
            whole = joined.num_rows - joined.num_rows % ROWS_PER_GROUP
            yield joined.slice(0, whole)
            waiting = [joined.slice(whole)]
    if any(table.num_rows for table in waiting):
        yield _joined(waiting)


def _joined(tables: list[Any]) -> Any:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def schema_of(channels: Mapping[str, int]) -> Any:
    """The schema of a log of layers with these numbers of channels."""
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
