"""Files that are written whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path next to `path` that becomes `path` on success.

    The bytes are flushed to the disk before the rename, so a reader sees the old
    file, no file or the whole new one, even after a crash. On an exception the
    temporary file is removed and `path` stays as it was.

    Args:
        path: Path of the file. Its folder is created if missing.

    Yields:
        The temporary path; write and close it inside the block.

    Example:

    >>> with written_whole(folder / "numbers.txt") as temporary:
    ...     _ = temporary.write_text("1 2 3")
    >>> (folder / "numbers.txt").read_text()
    '1 2 3'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        flush_to_disk(temporary)
        # mkstemp makes files private; a result should be as readable as any other file.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        flush_to_disk(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def flush_to_disk(path: Path) -> None:
    """Waits until a file, or the names in a folder, would survive a crash of the machine."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def can_be_written(folder: str | os.PathLike) -> bool:
    """Whether files can be made in a folder, or it can be made itself; leaves nothing behind.

    Example:

    >>> can_be_written(folder / "new" / "below"), can_be_written("/proc/new")
    (True, False)
    """
    path = Path(folder).absolute()
    existing = next(p for p in [path, *path.parents] if p.exists())
    try:
        # os.access always says yes to root, so try it.
        with tempfile.TemporaryFile(dir=existing):
            return True
    except OSError:
        return False
