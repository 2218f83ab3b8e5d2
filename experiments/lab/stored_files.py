"""Files that earlier runs left, read with a check: one that is damaged is told in one line."""

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbn.utils.validation import InputError

from .experiment import Cell

if TYPE_CHECKING:
    import pandas as pd

RUN_AGAIN = "delete its folder to do that run again"
CELL = {field.name for field in dataclasses.fields(Cell)}
TABLE_END = b"PAR1"


def read_json(path: Path, advice: str) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: It cannot be read; with the advice.
    """
    try:
        return json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise _unreadable(path, advice, error) from None


def read_row(path: Path) -> dict[str, Any]:
    """The measurements of a run, from its result.json."""
    row = read_json(path, RUN_AGAIN)
    if not isinstance(row, dict) or not row.keys() >= CELL:
        raise _unreadable(path, RUN_AGAIN, "not the result of a run")
    return row


def read_table(path: Path) -> "pd.DataFrame":
    """A table that a run left."""
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, RUN_AGAIN, error) from None


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
        f"Expected a readable file of an earlier run; {advice}. Received: path={str(path)!r} ({why})"
    )
