"""Warnings for a terminal: what is wrong, without the place in the code."""

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def short_warnings() -> Iterator[None]:
    """Prints the warnings of this block on one line each, without their location in the code.

    Example:

    >>> with short_warnings():
    ...     pass
    """
    with warnings.catch_warnings():
        shorten_warnings()
        yield


def shorten_warnings() -> None:
    """Prints every later warning of this process on one line."""
    warnings.showwarning = _show


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"Warning: {' '.join(str(message).split())}", file=sys.stderr if file is None else file)
