"""The stored results of an experiment, and its summary from them, in seconds.

results/<experiment>/results.parquet   one row for each run
results/<experiment>/<table>.parquet   the runs' own tables that its summary reads
results/<experiment>/about.json        options, versions, machine, processor, commit, date

A second study of the same experiment, such as one with another network, is a variant:
results/<experiment>-<variant>.
"""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbn.utils.files import written_whole
from tfbn.utils.validation import fail

from . import runner, stored_files
from .experiment import Experiment, Summary
from .origin import CODE

if TYPE_CHECKING:
    import pandas as pd

FOLDER = CODE / "results"
ABOUT = ("config", "versions", "machine", "processor")  # of the work folder's manifest
PATHS = ("data_dir", "source_data_dir", "photographs")  # options that name places on one machine


def keep(
    experiment: Experiment, work_dir: Path, folder: Path = FOLDER, variant: str = "", so_far: bool = False
) -> Path:
    """Stores the results of a finished work folder.

    Args:
        experiment: The experiment.
        work_dir: Its work folder.
        folder: The folder of stored results, by experiment.
        variant: Name of the variant; "" for the usual study.
        so_far: Whether to accept a study that was stopped, and to store the runs that it has finished.

    Returns:
        The folder of this experiment.

    Raises:
        InputError: It is the folder of another experiment, or its study has not finished.
    """
    manifest, results = work_dir / "manifest.json", work_dir / "results.parquet"
    stored = stored_files.read_json(manifest, "name a work folder") if manifest.is_file() else {}
    if so_far and stored.get("experiment") == experiment.name:
        runner.gather(experiment, _config(experiment, stored["config"]), work_dir)
    if stored.get("experiment") != experiment.name or not results.is_file():
        raise fail("work_dir", f"to be the folder of a finished {experiment.name}", str(work_dir))
    table = stored_files.read_table(results)
    about = {key: stored.get(key, "") for key in ABOUT}
    about["config"] = {key: value for key, value in about["config"].items() if key not in PATHS}
    about |= {"commits": [stored.get("commit", "")], "runs": len(table), "date": _date(results)}
    kept = place(experiment, folder, variant)
    kept.mkdir(parents=True, exist_ok=True)
    write(table, kept / "results.parquet")
    about["tables"] = [name for name in experiment.tables if (work_dir / f"{name}.parquet").is_file()]
    devices: dict[str, None] = {}
    for name in about["tables"]:
        table = stored_files.read_table(work_dir / f"{name}.parquet")
        devices |= dict.fromkeys(table.machine.astype(str) if "machine" in table else ())
        write(table, kept / f"{name}.parquet")
    if devices:
        about["devices"] = list(devices)
    with written_whole(kept / "about.json") as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")
    return kept


def write(table: "pd.DataFrame", path: Path) -> None:
    """Writes a compressed table, atomically."""
    with written_whole(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def place(experiment: Experiment, folder: Path = FOLDER, variant: str = "") -> Path:
    """The folder of an experiment's stored results."""
    return folder / (f"{experiment.name}-{variant}" if variant else experiment.name)


def is_kept(experiment: Experiment, folder: Path = FOLDER, variant: str = "") -> bool:
    """Whether everything that the summary of an experiment needs is stored."""
    kept = place(experiment, folder, variant)
    if not (kept / "about.json").is_file():
        return False
    names = ["results", *about(experiment, folder, variant).get("tables", experiment.tables)]
    return all((kept / f"{name}.parquet").is_file() for name in names)


def about(experiment: Experiment, folder: Path = FOLDER, variant: str = "") -> dict[str, Any]:
    """Metadata of the stored runs."""
    return stored_files.read_json(place(experiment, folder, variant) / "about.json", "store it again")


def again(experiment: Experiment, folder: Path = FOLDER, variant: str = "") -> Summary:
    """The summary from the stored results; nothing runs."""
    config = _config(experiment, about(experiment, folder, variant)["config"])
    kept = place(experiment, folder, variant)
    return experiment.summarize(config, stored_files.read_table(kept / "results.parquet"), kept)


def _config(experiment: Experiment, options: dict[str, Any]) -> Any:
    """The options of stored runs, without those that no longer exist."""
    known = {field.name for field in dataclasses.fields(experiment.config_class)}
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in options.items() if key in known}
    return experiment.config_class(**values)


def _date(path: Path) -> str:
    import datetime

    return str(datetime.date.fromtimestamp(path.stat().st_mtime))
