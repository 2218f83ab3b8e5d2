"""TensorFlow without the dozen lines that it writes to standard error while it loads.

Until its logging is set up, TensorFlow ignores every environment variable, so the file descriptor
of standard error is redirected while it loads. Python's own errors are raised as usual.
"""

import contextlib
import importlib
import os
from collections.abc import Iterator

# What it logs later, such as the processor's instructions; and oneDNN, which it leaves off on
# processors without VNNI: everything takes 1.3 times as long there.
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}


def set_environment() -> None:
    """Sets what TensorFlow reads while it loads, wherever it is unset; imports nothing."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def load_tensorflow() -> None:
    """Imports TensorFlow quietly; from then on it logs errors only."""
    set_environment()
    with _standard_error_closed():
        tensorflow = importlib.import_module("tensorflow")
        importlib.import_module("keras")  # whole, before a module of tfbn that needs it is half loaded
    tensorflow.get_logger().setLevel("ERROR")  # hints about retracing


def onednn_is_on() -> bool:
    """Whether TensorFlow computes with oneDNN's kernels; it decides that once, while it loads.

    Example:

    >>> isinstance(onednn_is_on(), bool)
    True
    """
    # There is no public function, and the environment may have changed since.
    return bool(importlib.import_module("tensorflow.python.util._pywrap_util_port").IsMklEnabled())


@contextlib.contextmanager
def _standard_error_closed() -> Iterator[None]:
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
