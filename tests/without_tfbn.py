"""A block of code that runs as where tfbn is not installed."""

import contextlib
import sys
from unittest import mock

import keras


@contextlib.contextmanager
def without_tfbn():
    """No module of tfbn can be imported, and none of its classes is registered with Keras."""
    modules = {name: None for name in sys.modules if name.partition(".")[0] == "tfbn"}
    registered = keras.saving.get_custom_objects()
    with mock.patch.dict(sys.modules, modules), mock.patch.dict(registered, clear=True):
        yield
