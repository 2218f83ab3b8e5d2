"""`drift.parquet`: one row for each recorded step and layer.

| column | type | |
|---|---|---|
| `step` | int64 | train steps since recording began; 0 is before the first one |
| `epoch` | int32 | epoch of that step, counted on over several fits |
| `layer` | dictionary of strings | path of the layer; the dictionary is in the model's order |
| `mean_shift`, `log_variance_ratio`, `kl`, `mean_l2`, `variance_l2` | float32 | see `tfbn.drift` |
| `mismatch`, `mismatch_mean_shift` | float32 or null | see `tfbn.mismatch`; null where not probed |

The file's schema carries JSON under the key `tfbn.drift`: the version of this format,
the layers, their numbers of channels, the units.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfbn import drift, mismatch
from tfbn.files import written_whole
from tfbn.validation import fail

NAME = "drift.parquet"
VERSION = 1
UNITS = drift.UNITS | mismatch.UNITS
# One row group; so many rows wait in memory, about 5 MB.
ROWS_PER_GROUP = 131_072


class DriftLog:
    """Writes `drift.parquet` in row groups. Nothing is visible before `publish`.

    If the file is there already, its rows are kept and new ones come after them.

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
        temporary = self._files.enter_context(written_whole(self._path))
        try:
            self._begin(temporary)
        except BaseException:
            self.discard()
            raise

    def _begin(self, temporary: Path) -> None:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(temporary, self._schema)
        if self._path.exists():
            with pq.ParquetFile(self._path) as earlier:
                for group in range(earlier.num_row_groups):
                    self._writer.write_table(earlier.read_row_group(group).cast(self._schema))

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
        self._waiting.append(pa.Table.from_arrays(columns, schema=self._schema))
        if sum(table.num_rows for table in self._waiting) >= ROWS_PER_GROUP:
            self._write()

    def publish(self) -> None:
        """Finishes the file and puts it in its place."""
        self._write()
        self._writer.close()
        self._files.close()

    def discard(self) -> None:
        """Removes what was written since the log was opened."""
        with contextlib.suppress(_DiscardedError):
            self._files.__exit__(_DiscardedError, _DiscardedError(), None)

    def _write(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting).unify_dictionaries())
            self._waiting = []


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
    tfbn.validation.InputError: Expected `folder` to hold a drift.parquet. Received: folder='...nothing'
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(folder) / NAME
    if not path.is_file():
        raise fail("folder", f"to hold a {NAME}", str(folder))
    try:
        table = pq.read_table(path)
        layers = json.loads(table.schema.metadata[b"tfbn.drift"])["layers"]
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise fail("folder", f"to hold a whole {NAME} of this project ({error})", str(folder)) from error
    frame = table.to_pandas()
    frame["layer"] = frame["layer"].cat.set_categories(layers)
    return frame


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
