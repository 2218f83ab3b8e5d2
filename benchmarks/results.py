"""The results of the benchmarks on disk: a table to read, and JSON."""

import contextlib
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
# These determine speed, and whether TensorFlow turns oneDNN on by default.
INSTRUCTION_SETS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "asimd")


def machine(onednn: bool = True) -> dict[str, Any]:
    """Describes the machine and its current load.

    Args:
        onednn: Whether TensorFlow uses oneDNN.
    """
    processor = _processor()
    sets = [name for name in INSTRUCTION_SETS if name in processor["flags"].split()]
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "oneDNN": "on" if onednn else "off",
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {processor['model name']}",
        "instruction sets": " ".join(sets) or "unknown",
        "load before": round(os.getloadavg()[0], 1),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


def update(folder: Path, name: str, rows: list[Row], about: dict[str, Any], order: list[str]) -> None:
    """Writes `results.json` and `results.md` with new rows; other benchmarks keep theirs.

    Args:
        folder: The output folder.
        name: The benchmark.
        rows: Its results.
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


def is_current(folder: Path, name: str, about: dict[str, Any]) -> bool:
    """Whether a benchmark was measured on the same day, with the same packages and machine."""
    path = folder / "results.json"
    stored = json.loads(path.read_text()).get(name, {}).get("with", {}) if path.exists() else {}
    same = about.keys() - {"load before"}
    return {key: stored.get(key) for key in same} == {key: about[key] for key in same}


def table(results: dict[str, Any]) -> str:
    """The Markdown text."""
    lines = [
        "# Benchmarks",
        "",
        "Ratios are medians over rounds in which the ways take turns, with the interquartile range; below 1",
        "tfbn is ahead. The own cost is what BatchNormalization adds to a network without it, ours over",
        "stock Keras's: how fast convolutions are on a machine has no part in it. `python -m benchmarks`",
        "measures everything again, `--only=NAME` one of them, `--resume` what was not measured today.",
    ]
    for name, result in results.items():
        lines += ["", f"## {name}", "", ", ".join(f"{k} {v}" for k, v in result["with"].items()), ""]
        lines += ["| what | compared with | way | ratio | at most | own cost | at most | medians |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        lines += [_line(Row(**row)) for row in result["rows"]]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    medians = f"{row.baseline_value:.4g} -> {row.value:.4g} {row.unit}"
    cells = [row.what, row.baseline, row.ours, *_judged(row.ratio, row.spread, row.target)]
    cells += [*_judged(row.own, row.own_spread, row.own_target), medians]
    return f"| {' | '.join(cells)} |"


def _judged(value: float | None, spread: float | None, target: float | None) -> tuple[str, str]:
    if value is None:
        return "", ""
    at_most = "" if target is None else f"{target:g}" + ("" if value <= target else " (missed)")
    return f"{value:.3f} ± {spread:.3f}", at_most


def _processor() -> dict[str, str]:
    """The first processor's name and instruction sets, as Linux has them."""
    found = {"model name": platform.processor(), "flags": ""}
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        about = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        found["model name"] = about.get("model name", found["model name"])
        found["flags"] = about.get("flags", about.get("Features", ""))
    return found
