"""What every test shares: seeds, and the names that docstring examples may use."""

import gc

import numpy as np
import pytest

from tfbn.utils.quiet import load_tensorflow


def pytest_configure(config):
    """Loads TensorFlow in processes that run tests, which that of xdist with `-n` does not."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        return
    # Less often: most of the many objects that tracing allocates live on.
    gc.set_threshold(200_000, 20, 50)
    load_tensorflow()
    if _on_tensorflow():
        import tensorflow as tf

        # The processor as two devices, for tests of MirroredStrategy: possible only before TensorFlow runs.
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )


def _on_tensorflow():
    import keras

    return keras.backend.backend() == "tensorflow"


@pytest.fixture(autouse=True, scope="session")
def _fast_variables():
    """Variables without debug names, for each of which TensorFlow builds a kernel: a sixth of all time."""
    if not _on_tensorflow():
        yield
        return
    from tensorflow.python.ops import gen_resource_variable_ops as operations

    make = operations.var_handle_op
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            operations, "var_handle_op", lambda *args, **kwargs: make(*args, **kwargs | {"debug_name": ""})
        )
        yield


@pytest.fixture(autouse=True, scope="session")
def _without_stacks():
    """Operations without the lines of Python that made them: under pytest these take a tenth of a trace."""
    if not _on_tensorflow():
        yield
        return
    from tensorflow.python.util import tf_stack

    stack = tf_stack.extract_stack()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf_stack, "extract_stack", lambda stacklevel=1: stack)
        yield


@pytest.fixture(autouse=True, scope="session")
def _untuned():
    """Without what tf.data does to a pipeline of a few batches before it starts.

    It rewrites its graph, which takes longer than reading it, and starts a tuner, for whose thread
    freeing an iterator waits, seconds at times.
    """
    if not _on_tensorflow():
        yield
        return
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    iterate = tf.data.Dataset.__iter__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.data.Dataset, "__iter__", lambda data: iterate(data.with_options(options)))
        yield


@pytest.fixture
def without_graph_rewriting():
    """Traced functions run as they were traced.

    TensorFlow rewrites the graph of a function before its first call, which takes longer than the few
    steps that a test runs. Not for tests of equal bits, since rewriting may change how numbers are rounded.
    """
    if not _on_tensorflow():
        yield
        return
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture(autouse=True)
def _seeded():
    import keras

    keras.utils.set_random_seed(7)


@pytest.fixture(autouse=True, scope="module")
def _cleared():
    """Forgets a module's models; what is left is not looked through for garbage again and again."""
    import keras

    yield
    keras.backend.clear_session()  # which also collects garbage
    gc.freeze()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
