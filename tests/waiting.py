"""Waiting for another process or thread: the one place in the tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 60, every: float = 0.05) -> T:
    """Asks a condition again and again until it holds; returns its value.

    Raises:
        AssertionError: It still did not hold after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"did not happen within {seconds} seconds"
        time.sleep(every)
    return found
