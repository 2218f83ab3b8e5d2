"""The stored results of the study: a row for each condition, seed and arm, and their origin.

`python -m experiments.real_scale.stored WORK_DIR [PHOTOGRAPHS]` creates a work folder from them, in
which `python -m experiments.real_scale --work_dir=WORK_DIR` runs only what is missing.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from tfbn.utils.files import written_whole
from tfbn.utils.validation import InputError, fail

from ..lab.experiment import Cell
from ..lab.store import Store
from .__main__ import EXPERIMENT, Config
from .conditions import CONDITIONS

FOLDER = Path(__file__).parents[1] / "results" / "real_scale"


def read(folder: Path = FOLDER) -> "tuple[pd.DataFrame, dict[str, Any]]":
    """Reads the stored rows, and the metadata of their runs.

    Raises:
        InputError: Nothing is stored in the folder.
    """
    if not (folder / "results.parquet").is_file():
        raise fail("results", "to be a folder with results.parquet", str(folder))
    return pd.read_parquet(folder / "results.parquet"), json.loads((folder / "about.json").read_text())


def collect(work_dir: Path) -> "tuple[pd.DataFrame, dict[str, Any]]":
    """Collects the rows of all finished runs of a study, even if it is still running.

    Args:
        work_dir: The work folder of the study.

    Raises:
        InputError: It is not the folder of a study, or has no finished run.
    """
    manifest = work_dir / "manifest.json"
    finished = sorted(path.parent for path in work_dir.glob("runs/*/*/*/result.json"))
    if not manifest.is_file() or not finished:
        raise fail("work_dir", "to be the folder of a study with at least one finished run", str(work_dir))
    parts = []
    for folder in finished:
        cell = json.loads((folder / "result.json").read_text())
        rows = pd.read_parquet(folder / "arms.parquet")
        parts.append(rows.assign(condition=cell["condition"], seed=cell["seed"], family=cell["arm"]))
    table = pd.concat(parts, ignore_index=True)
    front = ["condition", "seed", "family", "setting"]
    table = table[[*front, *(name for name in table.columns if name not in front)]]
    stored = json.loads(manifest.read_text())
    newest = max(folder.stat().st_mtime for folder in finished)
    about = {
        "config": stored["config"],
        "machines": dict.fromkeys(sorted({*table.machine}), stored["versions"]),
        "commits": sorted({*table.commit}),
        "runs": len(finished),
        "date": pd.Timestamp(newest, unit="s").strftime("%Y-%m-%d"),
    }
    about["config"].pop("photographs", None)  # a path on that machine
    return table, about


def added(work_dirs: list[Path], folder: Path = FOLDER) -> "tuple[pd.DataFrame, dict[str, Any]]":
    """Adds the rows of work folders to the stored ones; returns all rows and their metadata.

    Args:
        work_dirs: Work folders of the study; a run in a later one replaces the same run in an
            earlier one.
        folder: The folder with the stored rows.

    Raises:
        InputError: Nothing is stored, or one is not a folder of the study, or it has runs from the
            same machine with other versions.
    """
    table, about = read(folder)
    for work_dir in work_dirs:
        more, of_more = collect(work_dir)
        for machine, versions in of_more["machines"].items():
            before = about["machines"].setdefault(machine, versions)
            if before != versions:
                raise fail("work_dir", f"to have runs of {before} on {machine}", versions)
        table = pd.concat([table, more], ignore_index=True)
        about["date"] = max(about["date"], of_more["date"])
    table = table.drop_duplicates(["condition", "family", "seed", "setting"], keep="last", ignore_index=True)
    about["config"]["conditions"] = list(CONDITIONS)  # the whole study, which `restore` continues
    about["machines"] = {name: about["machines"][name] for name in sorted({*table.machine})}
    about["commits"] = sorted({*table.commit})
    about["runs"] = len(table[["condition", "family", "seed"]].drop_duplicates())
    return table, about


def write(table: "pd.DataFrame", about: dict[str, Any], folder: Path = FOLDER) -> None:
    """Stores rows and the metadata of their runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(folder / "results.parquet") as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")
    with written_whole(folder / "about.json") as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")


def restore(work_dir: Path, photographs: str, folder: Path = FOLDER) -> None:
    """Creates a work folder from the stored rows, in which the study continues.

    Args:
        work_dir: The folder, new or empty.
        photographs: The study's option of that name for the runs to come.
        folder: The folder with the stored rows.

    Raises:
        InputError: Nothing is stored, or the folder belongs to something else.
    """
    table, about = read(folder)
    options: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in about["config"].items()
    }
    config = Config(**options, photographs=photographs)
    store = Store(work_dir)
    store.check(EXPERIMENT.name, config)
    with store.opened(EXPERIMENT.name, config):
        for (condition, family, seed), rows in table.groupby(["condition", "family", "seed"], sort=False):
            cell, first = Cell(condition, family, int(seed)), rows.iloc[0]
            measured = {key: float(first[key]) for key in EXPERIMENT.metrics}
            with store.begun(cell) as unfinished:
                own = rows.drop(columns=["condition", "family", "seed"])
                own.to_parquet(unfinished / "arms.parquet", index=False)
                store.finish(cell, unfinished, {**measured, "seconds": float(first.cpu_seconds)})


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        restore(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "/usr/share/tuxpaint/stamps")
    except InputError as error:
        sys.exit(f"Error: {error}")
