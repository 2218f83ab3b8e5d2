"""A run's folder as bytes, for workers on machines without a shared folder."""

import contextlib
import io
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A temporary folder on the worker's disk."""
    with tempfile.TemporaryDirectory(prefix="tfbn-") as name:
        yield Path(name)


def packed(folder: Path) -> bytes:
    """The files of a folder as the bytes of a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    return buffer.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    """Writes the files of `packed` into a folder, and nothing outside it."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")
