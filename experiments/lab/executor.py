"""Where runs happen: in this process, in worker processes, or on a cluster.

All implement `concurrent.futures`, so the runner does not depend on the kind.
"""

import contextlib
import functools
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from . import cluster, fork_server
from .experiment import RunConfig
from .pool import Workers
from .workers import LostWorkerError, prepare_worker


class InProcess(Executor):
    """Runs each call immediately, in the submitting process."""

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def check(config: RunConfig) -> None:
    """Raises `InputError` if the options name workers that cannot take runs; starts nothing."""
    if config.scheduler:
        cluster.check(config.scheduler)


def prepare(config: RunConfig) -> None:
    """Begins to load TensorFlow for the workers that the options ask for, and does not wait."""
    if config.workers and not config.scheduler:
        fork_server.start()


def make(config: RunConfig, with_tensorflow: bool = True) -> contextlib.AbstractContextManager[Executor]:
    """An executor as the options say: `scheduler` if there is one, else `workers` processes.

    Args:
        config: The options.
        with_tensorflow: Whether workers load TensorFlow before their first run.

    Raises:
        InputError: The scheduler cannot be reached, or its workers cannot take runs.
    """
    if config.scheduler:
        return cluster.executor(config.scheduler, with_tensorflow)
    if config.workers == 0:
        return contextlib.nullcontext(InProcess())
    return _processes(config.workers, with_tensorflow)


def result_of(future: Future) -> Any:
    """The result of a future that is done.

    Raises:
        LostWorkerError: Its worker died.
        Exception: The error that the call raised.
    """
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise LostWorkerError(str(error)) from None
    except BaseException as error:
        if cluster.is_loss(error):
            raise LostWorkerError(str(error)) from None
        raise


@contextlib.contextmanager
def _processes(workers: int, with_tensorflow: bool) -> Iterator[Executor]:
    prepare = functools.partial(prepare_worker, with_tensorflow)
    context = fork_server.context() if with_tensorflow else multiprocessing.get_context("spawn")
    make = functools.partial(ProcessPoolExecutor, 1, mp_context=context, initializer=prepare)
    with Workers(workers, make) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
