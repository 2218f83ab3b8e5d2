"""The stored results of an experiment, and its summary from them, in seconds.

results/<experiment>/results.parquet   one row for each run
results/<experiment>/<table>.parquet   the runs' own tables that its summary reads
results/<experiment>/about.json        options, versions, machine, processor, commit, date
"""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbn.utils.files import written_whole
from tfbn.utils.validation import fail

from . import stored_files
from .experiment import Experiment, Summary
from .origin import CODE

if TYPE_CHECKING:
    import pandas as pd

FOLDER = CODE / "results"
ABOUT = ("config", "versions", "machine", "processor")  # of the work folder's manifest
PATHS = ("data_dir", "source_data_dir", "photographs")  # options that name places on one machine


def keep(experiment: Experiment, work_dir: Path, folder: Path = FOLDER) -> Path:
    """Stores the results of a finished work folder.

    Args:
        experiment: The experiment.
        work_dir: Its work folder.
        folder: The folder of stored results, by experiment.

    Returns:
        The folder of this experiment.

    Raises:
        InputError: It is the folder of another experiment, or its study has not finished.
    """
    manifest, results = work_dir / "manifest.json", work_dir / "results.parquet"
    stored = stored_files.read_json(manifest, "name a work folder") if manifest.is_file() else {}
    if stored.get("experiment") != experiment.name or not results.is_file():
        raise fail("work_dir", f"to be the folder of a finished {experiment.name}", str(work_dir))
    table = stored_files.read_table(results)
    about = {key: stored.get(key, "") for key in ABOUT}
    about["config"] = {key: value for key, value in about["config"].items() if key not in PATHS}
    about |= {"commits": [stored.get("commit", "")], "runs": len(table), "date": _date(results)}
    kept = folder / experiment.name
    kept.mkdir(parents=True, exist_ok=True)
    write(table, kept / "results.parquet")
    about["tables"] = [name for name in experiment.tables if (work_dir / f"{name}.parquet").is_file()]
    for name in about["tables"]:
        write(stored_files.read_table(work_dir / f"{name}.parquet"), kept / f"{name}.parquet")
    with written_whole(kept / "about.json") as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")
    return kept


def write(table: "pd.DataFrame", path: Path) -> None:
    """Writes a compressed table, atomically."""
    with written_whole(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def is_kept(experiment: Experiment, folder: Path = FOLDER) -> bool:
    """Whether everything that the summary of an experiment needs is stored."""
    if not (folder / experiment.name / "about.json").is_file():
        return False
    names = ["results", *about(experiment, folder).get("tables", experiment.tables)]
    return all((folder / experiment.name / f"{name}.parquet").is_file() for name in names)


def about(experiment: Experiment, folder: Path = FOLDER) -> dict[str, Any]:
    """Metadata of the stored runs."""
    return stored_files.read_json(folder / experiment.name / "about.json", "store it again")


def again(experiment: Experiment, folder: Path = FOLDER) -> Summary:
    """The summary from the stored results; nothing runs."""
    options = about(experiment, folder)["config"]
    known = {field.name for field in dataclasses.fields(experiment.config_class)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in options.items()
        if key in known
    }
    kept = folder / experiment.name
    results = stored_files.read_table(kept / "results.parquet")
    return experiment.summarize(experiment.config_class(**values), results, kept)


def _date(path: Path) -> str:
    import datetime

    return str(datetime.date.fromtimestamp(path.stat().st_mtime))
