"""The work folder: one configuration, each finished run stored whole.

manifest.json            what these runs are: configuration, versions, machine
runs/<condition>/<arm>/seed<k>/
    result.json          the run's measurements; written last
    drift.parquet        if the run recorded drift, with TensorBoard files beside it
results.parquet          one row for each run
drift.parquet            the runs' own tables, put together
report.html
"""

import dataclasses
import json
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.common.experiment import Cell, RunConfig
from tfbn.files import written_whole
from tfbn.validation import InputError

if TYPE_CHECKING:
    import pandas as pd

# Options that say where and how fast, not what: they may differ when a study goes on.
NOT_PART_OF_A_STUDY = {*(field.name for field in dataclasses.fields(RunConfig)), "download", "audit"} - {
    "seeds"
}
PACKAGES = ("tfbn", "keras", "tensorflow", "tensorflow-datasets", "numpy", "scikit-learn")


class Store:
    """The results of one study on disk.

    Args:
        folder: The work folder; made by `open`.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.runs = self.folder / "runs"

    def check(self, experiment: str, config: RunConfig) -> None:
        """Raises `InputError` if the folder cannot take this study; writes nothing.

        The folder must be writable, and new, empty or of the same configuration
        (`seeds` may grow), with every stored result readable.
        """
        self._check_writable()
        manifest = self.folder / "manifest.json"
        if manifest.exists():
            self._check_same(_read_json(manifest), manifest_of(experiment, config))
            for path in sorted(self.runs.glob("*/*/*/result.json")):
                _read_json(path)
        elif self.folder.is_dir() and any(self.folder.iterdir()):
            raise InputError(
                "Expected `work_dir` to be new, empty or the folder of an earlier study. "
                f"Received: work_dir={str(self.folder)!r}, which holds other files"
            )

    def open(self, experiment: str, config: RunConfig) -> None:
        """Makes the folder and its manifest if they are not there, and drops unfinished runs."""
        self.runs.mkdir(parents=True, exist_ok=True)
        with written_whole(self.folder / "manifest.json") as temporary:
            temporary.write_text(json.dumps(manifest_of(experiment, config), indent=2))
        for unfinished in self.runs.glob("*/*/*.unfinished"):
            shutil.rmtree(unfinished)

    def begin(self, cell: Cell) -> Path:
        """A new folder for a run, invisible to readers until `finish`."""
        folder = self.runs / f"{cell.folder}.unfinished"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def finish(self, cell: Cell, measurements: dict[str, float]) -> dict[str, Any]:
        """Stores a run: the result last, then the folder gets its name."""
        row = {**dataclasses.asdict(cell), **measurements}
        unfinished = self.runs / f"{cell.folder}.unfinished"
        with written_whole(unfinished / "result.json") as temporary:
            temporary.write_text(json.dumps(row))
        unfinished.rename(self.runs / cell.folder)
        return row

    def result(self, cell: Cell) -> dict[str, Any] | None:
        """The stored row of a run, or None if it has not finished."""
        path = self.runs / cell.folder / "result.json"
        return _read_json(path) if path.exists() else None

    def write_table(self, name: str, table: "pd.DataFrame") -> None:
        """Writes `<name>.parquet` into the work folder, whole."""
        with written_whole(self.folder / f"{name}.parquet") as temporary:
            table.to_parquet(temporary, index=False)

    def _check_writable(self) -> None:
        existing = next(p for p in [self.folder, *self.folder.absolute().parents] if p.exists())
        if not existing.is_dir() or not _writable(existing):
            raise InputError(
                "Expected `work_dir` to be a folder that can be written. "
                f"Received: work_dir={str(self.folder)!r}"
            )

    def _check_same(self, stored: dict[str, Any], wanted: dict[str, Any]) -> None:
        stored_study, wanted_study = (
            {"experiment": m.get("experiment"), **m.get("config", {})} for m in (stored, wanted)
        )
        stored_study.pop("seeds", None), wanted_study.pop("seeds", None)
        differences = [
            f"{key}={stored_study.get(key)!r} there, {wanted_study.get(key)!r} now"
            for key in sorted({*stored_study, *wanted_study})
            if stored_study.get(key) != wanted_study.get(key)
        ]
        if differences:
            raise InputError(
                "Expected `work_dir` to belong to the same configuration. "
                f"Received: work_dir={str(self.folder)!r} with {'; '.join(differences)}"
            )


def manifest_of(experiment: str, config: RunConfig) -> dict[str, Any]:
    """What a study is, as plain data."""
    options = {k: v for k, v in dataclasses.asdict(config).items() if k not in NOT_PART_OF_A_STUDY}
    return {
        "experiment": experiment,
        "config": {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()},
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}},
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise InputError(
            f"Expected a readable file of an earlier run; delete it to run that part again. "
            f"Received: path={str(path)!r} ({error})"
        ) from None


def _writable(folder: Path) -> bool:
    # os.access says yes to root everywhere, so ask by doing.
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
