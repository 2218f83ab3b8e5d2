"""A file of TensorBoard events.

Source of the format: `tensorflow/core/util/event.proto` and `events_writer.cc`. A file is a
sequence of TFRecords, which TensorFlow's record writer writes; the writer in the package
`tensorboard` computes its checksums in Python, byte by byte, at several times the cost.
"""

import contextlib
import errno
import itertools
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfbn.utils.validation import fail

_numbers = itertools.count()


class EventFile:
    """Appends summaries to a new event file.

    Args:
        folder: The log directory; it is created if missing.
        suffix: Ends the file's name, so that its writer can find it again.

    Example:

    >>> from tensorboard.compat.proto.summary_pb2 import Summary
    >>> events = EventFile(folder, ".example")
    >>> events.add(3, Summary(value=[Summary.Value(tag="loss", simple_value=0.5)]))
    >>> events.close()
    >>> [path.suffix for path in folder.glob("events.out.tfevents.*")]
    ['.example']
    """

    def __init__(self, folder: str | os.PathLike, suffix: str):
        from tensorboard.compat.proto.event_pb2 import Event

        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"to be a folder that can be written ({error.strerror})"
            raise fail("log_dir", what, str(folder)) from error
        name = f"events.out.tfevents.{_time_of_a_name(folder):010d}.{socket.gethostname()}.{os.getpid()}"
        self._path = Path(folder) / f"{name}.{next(_numbers):06d}{suffix}"
        self._writer = _open(self._path)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        self.flush()

    def add(self, step: int, summary: Any) -> None:
        """Appends one `Summary` message."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        if not isinstance(summary, Summary):
            # TensorBoard's own functions give TensorFlow's class where they find TensorFlow.
            summary = Summary.FromString(summary.SerializeToString())
        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def flush(self) -> None:
        """Makes what was added visible to a TensorBoard that is running."""
        with _os_errors(self._path):
            self._writer.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        with _os_errors(self._path):
            self._writer.close()

    def _write(self, event: Any) -> None:
        with _os_errors(self._path):
            self._writer.write(event.SerializeToString())


def _open(path: Path) -> Any:
    import tensorflow as tf

    with _os_errors(path):
        return tf.io.TFRecordWriter(str(path))


@contextlib.contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    """Turns TensorFlow's errors on writing into `OSError`, as for Python's own files."""
    from tensorflow.errors import OpError, ResourceExhaustedError

    try:
        yield
    except ResourceExhaustedError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
    except OpError as error:
        raise OSError(error.message) from error


def _time_of_a_name(folder: str | os.PathLike) -> int:
    """Seconds; later than those in the existing names, even if the clock was set back.

    TensorBoard reads the files of a folder in the order of their names.
    """
    times = [path.name.split(".")[3] for path in Path(folder).glob("events.out.tfevents.*")]
    return max([int(time.time()), *(int(text) + 1 for text in times if text.isdigit())])
