"""Arrays that several runs of a study need: computed by the first, kept until the last has finished."""

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfbn.utils.files import written_whole

from .pretraining import one_at_a_time

LIMIT = 2**30  # bytes of a study; arrays beyond it are computed by each run that needs them
FOLDER = "shared"  # in the work folder
Arrays = dict[str, np.ndarray]


class SharedArrays:
    """Arrays on disk that some runs share.

    Args:
        work_folder: Of the study.
        key: Everything that the arrays depend on, with a distinctive `repr`.
        runs: Names of the runs that share them.
        limit: Bytes that all arrays of the study may take.

    Example:

    >>> shared = SharedArrays(folder, key=("resnet8", "seed 0"), runs=["first", "second"])
    >>> for run in ("first", "second"):
    ...     with shared.until_all_had(run):
    ...         print(shared.get("squares", lambda: {"x": np.arange(3) ** 2})["x"], shared.folder.exists())
    [0 1 4] True
    [0 1 4] True
    >>> shared.folder.exists()
    False
    """

    def __init__(self, work_folder: Path, key: Any, runs: Iterable[str], limit: int = LIMIT):
        self._all, self._limit = work_folder / FOLDER, limit
        self.folder = self._all / hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        self._runs = frozenset(runs)

    def get(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of that name, computed if missing.

        If several processes need them at the same time, one computes and the others wait.
        """
        path = self.folder / f"{name}.npz"
        with one_at_a_time(path):
            if path.exists():
                with np.load(path) as stored:
                    return dict(stored)
            arrays = compute()
            if self._taken() + sum(array.nbytes for array in arrays.values()) <= self._limit:
                with written_whole(path) as temporary, temporary.open("wb") as file:
                    np.savez(file, **arrays)  # type: ignore[arg-type]
        return arrays

    @contextlib.contextmanager
    def until_all_had(self, run: str) -> Iterator[None]:
        """Marks this run as done at the end, unless it raised; the last run removes the arrays."""
        yield
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{run}.done").touch()
        if self._runs <= {path.stem for path in self.folder.glob("*.done")}:
            shutil.rmtree(self.folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # other runs still use it
                self._all.rmdir()

    def _taken(self) -> int:
        return sum(path.stat().st_size for path in self._all.glob("*/*.npz"))


def clear(work_folder: Path) -> None:
    """Removes what interrupted runs of a study left behind. Call it when all runs are stored."""
    shutil.rmtree(work_folder / FOLDER, ignore_errors=True)
