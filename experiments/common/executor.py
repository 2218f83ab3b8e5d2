"""Where runs happen: in this process, or in worker processes. All speak `concurrent.futures`."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import Any


class InProcess(Executor):
    """Runs each call at once in the process that submits it."""

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def make(workers: int) -> Executor:
    """An executor with so many worker processes; 0: this process.

    Workers are spawned, not forked: TensorFlow does not survive a fork. Each uses one
    thread, so that they do not fight for cores and sums are added in one order.
    """
    if workers == 0:
        return InProcess()
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=use_one_thread)


def use_one_thread() -> None:
    """Makes TensorFlow in this process quiet, deterministic and single-threaded."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
