"""Printing into a pipe whose reader may leave early."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """Lets `--help | head` end quietly, and leaves the process's handling of SIGPIPE alone.

    Only for what is printed last: if it is not read, the process ends with status 0. With SIGPIPE's
    default handling, a TLS connection that the other side closes would end the process.
    Source: the note on SIGPIPE in the documentation of Python's `signal`.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
