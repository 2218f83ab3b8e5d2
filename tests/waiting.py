"""Waiting for another process or thread: the one place in the tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 60, every: float = 0.05) -> T:
    """Checks a condition repeatedly until it holds; returns its value.

    Raises:
        AssertionError: The condition does not hold within this time.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"did not happen within {seconds} seconds"
        time.sleep(every)
    return found
