"""Worker processes that are replaced when they have grown, and when they have died.

TensorFlow and Keras keep memory of every model that a process traced, after the model is gone: 140 MB for
each training of EfficientNet-Lite0. So a worker ends between two runs when it is this much larger than
after its first one, and another takes its place.
"""

import contextlib
import functools
import math
import os
import queue
import resource
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

GROWTH = 2**30  # bytes that a worker may grow after its first run

_first: int | None = None  # bytes of this worker after its first run


class Workers(Executor):
    """Runs calls in worker processes, as `ProcessPoolExecutor` does, but replaces each for itself.

    A call whose worker died raises `BrokenProcessPool`; the other workers go on.

    Args:
        workers: How many.
        make: Makes an executor of one process.
        growth: Bytes that a worker may grow after its first call.
    """

    def __init__(self, workers: int, make: Callable[[], ProcessPoolExecutor], growth: int = GROWTH):
        self._make, self._growth = make, growth
        self._lock, self._ended = threading.Lock(), False
        self._calls: queue.SimpleQueue[tuple[Future, Callable] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        self._calls.put((future, functools.partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._lock:
            self._ended = self._ended or cancel_futures
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _serve(self) -> None:
        """Takes calls one by one, with one process at a time."""
        with contextlib.ExitStack() as stack:
            pool: ProcessPoolExecutor | None = None
            while (waiting := self._calls.get()) is not None:
                future, call = waiting
                with self._lock:  # so that no process starts once the end has come
                    if self._ended:
                        future.cancel()
                    if not future.set_running_or_notify_cancel():
                        continue
                    pool = pool or stack.enter_context(self._make())
                    called = _submitted(pool, call)
                if _passed_on(called, future) > self._growth:
                    stack.close()
                    pool = None


def _submitted(pool: ProcessPoolExecutor, call: Callable[[], Any]) -> Future:
    try:
        return pool.submit(_with_growth, call)
    except BrokenProcessPool as error:  # the worker died between two calls
        failed: Future = Future()
        failed.set_exception(error)
        return failed


def _passed_on(called: Future, future: Future) -> float:
    """Gives a future the outcome of a call; returns how much its worker has grown."""
    try:
        result, grown = called.result()
    except BaseException as error:
        future.set_exception(error)
        return math.inf if isinstance(error, BrokenProcessPool) else 0
    future.set_result(result)
    return grown


def _with_growth(call: Callable[[], Any]) -> tuple[Any, int]:
    """The result, and how many bytes this process has grown since its first call."""
    global _first
    result, now = call(), memory()
    _first = now if _first is None else _first
    return result, now - _first


def memory() -> int:
    """Bytes of memory of this process; where the system does not tell, its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 2**10
    return pages * os.sysconf("SC_PAGE_SIZE")
