"""Reads and checks the files of earlier runs; a damaged one is reported in one line."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbn.utils.validation import InputError

from .experiment import Cell

if TYPE_CHECKING:
    import pandas as pd

RUN_AGAIN = "delete its folder to do that run again"
MEASURED = "measured"  # the names of a run's measurements, to detect a missing one
ALWAYS = "seconds"  # the measurement that every run has
TABLE_END = b"PAR1"


def read_json(path: Path, advice: str) -> Any:
    """Reads a JSON file.

    Raises:
        InputError: The file cannot be read; the message ends with the advice.
    """
    try:
        return json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise _unreadable(path, advice, error) from None
    except RecursionError:
        raise _unreadable(path, advice, "its values are nested too deep") from None


def written_row(cell: Cell, measurements: dict[str, float]) -> str:
    """The text of a result.json."""
    return json.dumps({**cell.row(), **measurements, MEASURED: sorted(measurements)})


def read_row(path: Path, cell: Cell | None = None) -> dict[str, Any]:
    """The measurements of a run, from its result.json.

    Args:
        path: The file, in the run's folder.
        cell: The run that it must belong to; None: the one that its folder names.

    Raises:
        InputError: The file cannot be read, is of another run, or is incomplete.
    """
    row = read_json(path, RUN_AGAIN)
    if not isinstance(row, dict) or not row.keys() >= {"condition", "arm", "seed"}:
        raise _unreadable(path, RUN_AGAIN, "not the result of a run")
    names = row.pop(MEASURED, [ALWAYS])  # earlier versions did not list them
    wanted = cell.row() if cell else {name: row[name] for name in ("condition", "arm", "seed")}
    _check_run(path, row, wanted)
    measured = {name: value for name, value in row.items() if name not in wanted}
    if not isinstance(names, list) or {*map(str, names)} - row.keys():
        raise _unreadable(path, RUN_AGAIN, "measurements are missing")
    for name, value in measured.items():
        is_parameter = cell is None and isinstance(value, str | bool) and name not in names
        if not _is_number(value) and not is_parameter:
            raise _unreadable(path, RUN_AGAIN, f"{name} is not a number")
    return row


def _check_run(path: Path, row: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raises `InputError` if a row is not of that run, or not of the run that its folder names."""
    found: dict[str, Any] = {name: row.get(name) for name in wanted}
    seed = found["seed"]
    is_cell = all(isinstance(found[name], str) for name in ("condition", "arm")) and type(seed) is int
    if (
        not is_cell
        or Cell(found["condition"], found["arm"], seed).folder != _folder_of(path)
        or found != wanted
    ):
        names = ", ".join(f"{name}={value!r}"[:60] for name, value in found.items())
        raise _unreadable(path, RUN_AGAIN, f"it is of another run: {names}")


def _folder_of(path: Path) -> str:
    return "/".join(path.parts[-4:-1])


def _is_number(value: Any) -> bool:
    """Whether a float can hold a value; NaN and infinity are valid measurements."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) <= sys.float_info.max


def read_table(path: Path) -> "pd.DataFrame":
    """A table that a run left.

    Raises:
        InputError: It cannot be read.
    """
    import pandas as pd
    import pyarrow

    try:
        return pd.read_parquet(path)
    except (OSError, ValueError, TypeError, pyarrow.ArrowException) as error:
        raise _unreadable(path, RUN_AGAIN, error) from None


def check_alike(tables: "dict[Path, pd.DataFrame]") -> None:
    """Raises `InputError` unless the tables to be concatenated have the same columns, in any order."""
    first: list[tuple[str, bool]] = []
    for path, table in tables.items():
        kinds = sorted((str(name), table[name].dtype.kind in "biuf") for name in table.columns)
        first = first or kinds
        if {"condition", "arm", "seed"} & {name for name, _ in kinds}:
            raise _unreadable(path, RUN_AGAIN, "it has columns that tell runs apart")
        if kinds != first:
            raise _unreadable(path, RUN_AGAIN, "its columns are not those of the other runs")


def check_table(path: Path) -> None:
    """Raises `InputError` if a table was cut short; quick, also for those of 10,000 runs."""
    try:
        with path.open("rb") as file:
            file.seek(-len(TABLE_END), os.SEEK_END)
            if file.read() != TABLE_END:
                raise ValueError("its end is missing")
    except (ValueError, OSError) as error:
        raise _unreadable(path, RUN_AGAIN, error) from None


def _unreadable(path: Path, advice: str, why: Any) -> InputError:
    return InputError(
        f"Expected a readable file of an earlier run; {advice}. "
        f"Received: path={str(path)!r} ({' '.join(str(why).split())[:200]})"
    )
