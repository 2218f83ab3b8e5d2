"""A file of TensorBoard events.

Source of the format: `tensorflow/core/util/event.proto` and `events_writer.cc`. A file is
a sequence of TFRecords, so TensorFlow's record writer serves; the writer in the package
`tensorboard` takes its checksums in Python, byte by byte, at several times the cost.
"""

import itertools
import os
import socket
import time
from pathlib import Path
from typing import Any

_numbers = itertools.count()


class EventFile:
    """Appends summaries to a new event file.

    Args:
        folder: The log directory; it is made if missing.
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
        import tensorflow as tf
        from tensorboard.compat.proto.event_pb2 import Event

        Path(folder).mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self._path = Path(folder) / f"{name}.{next(_numbers):06d}{suffix}"
        self._writer = tf.io.TFRecordWriter(str(self._path))
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
        self._writer.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._writer.close()

    def _write(self, event: Any) -> None:
        self._writer.write(event.SerializeToString())
