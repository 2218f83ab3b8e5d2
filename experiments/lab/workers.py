"""Worker processes with one thread that end with their parent."""

import ctypes
import gc
import multiprocessing
import os
import signal
import threading

from tfbn.utils.quiet import load_tensorflow
from tfbn.utils.short_warnings import shorten_warnings


class LostWorkerError(Exception):
    """A worker died before it finished a run. The run can be repeated."""


def prepare_worker(with_tensorflow: bool = True) -> None:
    """Makes this process a worker: one thread, ends with its parent, ignores Ctrl-C.

    With one thread workers do not compete for cores, and sums are added in one order, so
    that results are the same to the bit however many workers there are.

    Args:
        with_tensorflow: Whether to load TensorFlow and Keras now.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends its workers
    threading.Thread(target=_follow_parent, daemon=True).start()
    shorten_warnings()
    use_one_thread(with_tensorflow)
    if with_tensorflow:
        keep_libraries()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def keep_libraries() -> None:
    """Exempts everything that is loaded now from garbage collection.

    TensorFlow and Keras are a million objects; scanning them for garbage took up to a tenth of a
    short run.
    """
    import keras  # noqa: F401

    gc.collect()
    gc.freeze()


def give_back_memory() -> None:
    """Gives what is free back to the system, where the C library can (glibc); workers share a machine."""
    gc.collect()  # models are cycles
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def use_one_thread(with_tensorflow: bool = True) -> None:
    """Limits linear algebra in this process to one thread; likewise TensorFlow, which it loads."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    if not with_tensorflow:
        return
    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
