"""The results of the benchmarks on disk: a table to read, and JSON."""

import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

from benchmarks.common import Row
from tfbn.utils.files import written_whole

FOLDER = Path(__file__).parent
PACKAGES = ("tfbn", "tensorflow", "keras", "numpy")


def machine() -> dict[str, Any]:
    """What numbers are measured with from now on, and how busy it is with other things."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {_processor()}",
        "load before": round(os.getloadavg()[0], 1),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


def update(folder: Path, name: str, rows: list[Row], about: dict[str, Any], order: list[str]) -> None:
    """Writes `results.json` and `results.md` with new rows; other benchmarks keep theirs.

    Args:
        folder: Where.
        name: The benchmark.
        rows: What it found.
        about: The `machine`.
        order: All benchmarks in the order of the table.
    """
    path = folder / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    results[name] = {"with": about, "rows": [dataclasses.asdict(row) for row in rows]}
    results = {each: results[each] for each in order if each in results}
    texts = {"results.json": json.dumps(results, indent=1) + "\n", "results.md": table(results)}
    for file, text in texts.items():
        with written_whole(folder / file) as temporary:
            temporary.write_text(text, encoding="utf-8")


def table(results: dict[str, Any]) -> str:
    """The Markdown text."""
    lines = [
        "# Benchmarks",
        "",
        "Ratios are medians over rounds in which the ways take turns, with the interquartile range; below 1",
        "tfbn is ahead. `python -m benchmarks` measures them again, `--only=NAME` one of them.",
    ]
    for name, result in results.items():
        lines += ["", f"## {name}", "", ", ".join(f"{k} {v}" for k, v in result["with"].items()), ""]
        lines += ["| what | beside | way | ratio | at most | medians |", "|---|---|---|---|---|---|"]
        lines += [_line(Row(**row)) for row in result["rows"]]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    target = (
        "" if row.target is None else f"{row.target:g}" + ("" if row.ratio <= row.target else " (missed)")
    )
    medians = f"{row.baseline_value:.4g} -> {row.value:.4g} {row.unit}"
    ratio = f"{row.ratio:.3f} ± {row.spread:.3f}"
    return f"| {row.what} | {row.baseline} | {row.ours} | {ratio} | {target} | {medians} |"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
