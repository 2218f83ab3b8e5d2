"""A process that has TensorFlow, of which workers are forks: they start in milliseconds.

To load TensorFlow takes six CPU seconds. A process that has computed with it does not survive a fork; this
one only loads it. On Linux, and not for Keras on JAX, which starts threads while it loads.
"""

import multiprocessing
import multiprocessing.forkserver
import os
import sys
from typing import Any

_started: list[bool] = []


def start() -> None:
    """Starts the process, which ends with this one, and does not wait for it."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if sys.platform == "linux" and backend == "tensorflow" and not _started:
        _started.append(True)
        multiprocessing.set_forkserver_preload([f"{__package__}.preloaded"])
        multiprocessing.forkserver.ensure_running()


def context() -> Any:
    """How to start workers with TensorFlow: as forks of that process if it was started, else spawned."""
    return multiprocessing.get_context("forkserver" if _started else "spawn")
