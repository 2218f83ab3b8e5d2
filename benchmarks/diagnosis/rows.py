"""Stored results: a JSON list with one row per line, so that changes can be read, made run by run."""

import gc
import json
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from tfbn.utils.files import written_whole

Row = dict[str, Any]


def read(path: Path) -> list[Row]:
    """The rows; none if there is no file."""
    return json.loads(path.read_text()) if path.exists() else []


def write(path: Path, rows: list[Row]) -> None:
    with written_whole(path) as temporary:
        temporary.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


def complete(
    path: Path,
    names: tuple[str, ...],
    keys: Iterable[tuple],
    examine: Callable[..., Row],
    minutes: float | None = None,
    again: Collection[tuple] = (),
) -> None:
    """Makes and stores the rows that a file does not have yet, so that an interrupted run continues.

    Args:
        path: The file. It keeps rows of other keys.
        names: Columns that tell the rows apart.
        keys: Their values in each row, in the order in which to make the rows.
        examine: Gives the rest of a row, from its key.
        minutes: Start no run after this time; None: make all rows.
        again: Keys whose rows are made again.
    """
    import keras  # here, since the docs read rows without it

    start, keys = time.monotonic(), list(keys)
    order = {each: place for place, each in enumerate(keys)}
    found = {tuple(row[name] for name in names): row for row in read(path)}
    for key in [key for key in keys if key not in found or key in again]:
        if minutes is not None and time.monotonic() - start > 60 * minutes:
            break
        began = time.monotonic()
        found[key] = dict(zip(names, key, strict=True)) | examine(*key)
        write(path, [found[each] for each in sorted(found, key=lambda each: order.get(each, len(order)))])
        print(f"{time.monotonic() - began:.0f} s", json.dumps(found[key]), flush=True)
        keras.backend.clear_session()
        gc.collect()
