"""Stored results: a JSON list with one row per line, so that changes can be read."""

import json
from pathlib import Path
from typing import Any

from tfbn.utils.files import written_whole


def read(path: Path) -> list[dict[str, Any]]:
    """The rows; none if there is no file."""
    return json.loads(path.read_text()) if path.exists() else []


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    with written_whole(path) as temporary:
        temporary.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
