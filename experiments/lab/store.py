"""The work folder: one configuration, each finished run stored atomically.

manifest.json            what these runs are: configuration, versions, machine
runs/<condition>/<arm>/seed<k>/
    result.json          the run's measurements; written last
    drift.parquet        if the run recorded drift, next to its TensorBoard files
results.parquet          one row for each run
drift.parquet            the runs' own tables, put together
report.html
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import platform
import shutil
import uuid
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tfbn
from tfbn.utils.files import can_be_written, flush_to_disk, written_whole
from tfbn.utils.validation import InputError

from . import origin, stored_files
from .experiment import Cell, RunConfig

if TYPE_CHECKING:
    import pandas as pd

# Options about where and how fast runs execute: they may change when a study continues.
NOT_PART_OF_A_STUDY = {*(field.name for field in dataclasses.fields(RunConfig)), "download", "audit"} - {
    "seeds"
}
UNFINISHED = ".unfinished"  # suffix of the folder of a run until it is stored
FORMAT = 1  # of the work folder; increases when the format changes
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
            stored = stored_files.read_json(manifest, "use another work_dir, or put a copy of it back")
            self._check_format(stored)
            self._check_same(stored, manifest_of(experiment, config))
            for path in self._of_finished_runs("result.json"):
                stored_files.read_row(path)
            for path in self._of_finished_runs("*.parquet"):
                stored_files.check_table(path)
        elif self.folder.is_dir() and any(map(_foreign, self.folder.iterdir())):
            raise InputError(
                "Expected `work_dir` to be new, empty or the folder of an earlier study. "
                f"Received: work_dir={str(self.folder)!r}, which holds other files"
            )

    @contextlib.contextmanager
    def opened(self, experiment: str, config: RunConfig) -> Iterator[None]:
        """Makes the folder and its manifest, drops unfinished runs, and locks it.

        Raises:
            InputError: Another process works in the folder.
        """
        self.runs.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / ".lock"):
            with written_whole(self.folder / "manifest.json") as temporary:
                temporary.write_text(json.dumps(manifest_of(experiment, config), indent=2))
            self._drop_unfinished()
            yield
            self._drop_unfinished()  # left by workers that died

    @contextlib.contextmanager
    def begun(self, cell: Cell) -> Iterator[Path]:
        """A new folder for a run, invisible to readers until `finish`, dropped if the run fails.

        Its name is unique, since a run that was considered lost and started again elsewhere may still
        be executing.
        """
        folder = self.runs / f"{cell.folder}.{uuid.uuid4().hex[:8]}{UNFINISHED}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # gone already if the run finished

    def finish(self, cell: Cell, unfinished: Path, measurements: dict[str, float]) -> dict[str, Any]:
        """Stores a run: the result last, then the folder gets its name. The first to finish wins."""
        own = {name: value for name, value in measurements.items() if name not in cell.row()}
        row = {**cell.row(), **own}
        with written_whole(unfinished / "result.json") as temporary:
            temporary.write_text(stored_files.written_row(cell, own))
        final = self.runs / cell.folder
        try:
            _rename(unfinished, final)
        except OSError:
            if not (final / "result.json").exists():
                raise
            row = stored_files.read_row(final / "result.json", cell)
        flush_to_disk(final.parent)
        return row

    def _drop_unfinished(self) -> None:
        for temporary in self.folder.glob(".*.tmp"):
            temporary.unlink()
        for unfinished in self.runs.glob("*/*/*.unfinished"):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.unlink(missing_ok=True)  # a file among them

    def path_of(self, cell: Cell, name: str) -> Path:
        """A file of a stored run."""
        return self.runs / cell.folder / name

    def result(self, cell: Cell) -> dict[str, Any] | None:
        """The stored row of a run, or None if the run has not finished."""
        path = self.path_of(cell, "result.json")
        return stored_files.read_row(path, cell) if path.exists() else None

    def table(self, cell: Cell, name: str) -> "pd.DataFrame | None":
        """The table `<name>.parquet` that a run left, or None if it left none.

        Raises:
            InputError: It cannot be read.
        """
        path = self.path_of(cell, f"{name}.parquet")
        return stored_files.read_table(path) if path.exists() else None

    def write_table(self, name: str, table: "pd.DataFrame") -> None:
        """Writes `<name>.parquet` into the work folder, whole."""
        with written_whole(self.folder / f"{name}.parquet") as temporary:
            table.to_parquet(temporary, index=False)

    def _of_finished_runs(self, pattern: str) -> list[Path]:
        found = self.runs.glob(f"*/*/*/{pattern}")
        return sorted(path for path in found if path.parent.suffix != UNFINISHED)

    def _check_writable(self) -> None:
        if not can_be_written(self.folder):
            raise InputError(
                "Expected `work_dir` to be a folder that can be written. "
                f"Received: work_dir={str(self.folder)!r}"
            )

    def _check_format(self, stored: Any) -> None:
        is_whole = isinstance(stored, dict) and isinstance(stored.get("config"), dict)
        found = stored.get("format") if is_whole else None
        if found != FORMAT:
            raise InputError(
                f"Expected `work_dir` to be written by a tfbn that stores runs in format {FORMAT}. "
                f"Received: work_dir={str(self.folder)!r} of format {found!r}"
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


def folder_of(experiment: str, config: RunConfig) -> Path:
    """The work folder: as the options say, or `runs/<experiment>`."""
    return Path(config.work_dir or f"runs/{experiment}")


def code_and_versions() -> dict[str, Any]:
    """The versions that results depend on, apart from the configuration."""
    versions = {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}}
    return {"versions": versions, "code": _digest_of_code()}


def manifest_of(experiment: str, config: RunConfig) -> dict[str, Any]:
    """The description of a study, as plain data."""
    options = {k: v for k, v in dataclasses.asdict(config).items() if k not in NOT_PART_OF_A_STUDY}
    return {
        "format": FORMAT,
        "experiment": experiment,
        "config": {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()},
        **code_and_versions(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "processor": origin.processor(),
        "commit": origin.commit(),
    }


@functools.cache
def _digest_of_code() -> str:
    """A hash that distinguishes versions of the code, even between releases."""
    digest = hashlib.sha256()
    # In an installed wheel, the second folder is inside the first.
    folders = Path(tfbn.__file__).parent, Path(__file__).parents[1]
    for path in sorted({path for folder in folders for path in folder.rglob("*.py")}):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _rename(unfinished: Path, final: Path) -> None:
    """Gives a run's folder its final name; replaces one of that name without a result."""
    if final.exists() and not (final / "result.json").exists():
        shutil.rmtree(final)
    unfinished.rename(final)


def _foreign(path: Path) -> bool:
    """Whether a work folder without a manifest holds more than an aborted start leaves behind."""
    return not path.name.startswith(".") and path.name != "runs"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock that is released when this process ends for any reason."""
    import fcntl

    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise InputError(
            "Expected the lock of `work_dir` to be a file of its own. "
            f"Received: path={str(path)!r} ({error.strerror})"
        ) from None
    with os.fdopen(lock, "r+") as lock_file:
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                "Expected `work_dir` to be used by one process at a time. "
                f"Received: work_dir={str(path.parent)!r}, which another process is using"
            ) from None
        yield
