"""Where runs happen: in this process, in worker processes, or on a cluster.

All speak `concurrent.futures`, so the runner does not know which it has.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from experiments.common.experiment import RunConfig


class LostWorkerError(Exception):
    """A worker died before it finished a run. The run can be started again."""


class InProcess(Executor):
    """Runs each call at once in the process that submits it."""

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def make(config: RunConfig) -> contextlib.AbstractContextManager[Executor]:
    """An executor as the options say: `scheduler` if there is one, else `workers` processes.

    Raises:
        InputError: The scheduler cannot be reached, or its workers cannot take runs.
    """
    if config.scheduler:
        from experiments.common import cluster

        return cluster.executor(config.scheduler)
    return contextlib.nullcontext(InProcess()) if config.workers == 0 else _processes(config.workers)


def result_of(future: Future) -> Any:
    """The result of a future that is done.

    Raises:
        LostWorkerError: Its worker died.
        Exception: Whatever the call raised.
    """
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise LostWorkerError(str(error)) from None
    except BaseException as error:
        from experiments.common import cluster

        if cluster.is_loss(error):
            raise LostWorkerError(str(error)) from None
        raise


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    # Spawned, not forked: TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=prepare_worker) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def prepare_worker() -> None:
    """Makes this process a worker: one thread, gone when its parent is, deaf to Ctrl-C.

    With one thread workers do not fight for cores, and sums are added in one order, so
    that results are the same to the bit however many workers there are.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends its workers
    threading.Thread(target=_follow_parent, daemon=True).start()
    use_one_thread()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def use_one_thread() -> None:
    """Makes TensorFlow in this process quiet, deterministic and single-threaded."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
