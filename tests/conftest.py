"""What every test shares: seeds, and the names that docstring examples may use."""

import gc

from tfbn.utils.quiet import load_tensorflow

load_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # The processor as two devices, for tests of MirroredStrategy: possible only before TensorFlow runs.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


def pytest_configure():
    """Collects garbage less often: most of the many objects that tracing allocates live on."""
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(autouse=True, scope="session")
def _fast_variables():
    """Variables without debug names, for each of which TensorFlow builds a kernel: a sixth of all time."""
    if keras.backend.backend() != "tensorflow":
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
def _untuned():
    """Without tf.data's tuner: freeing an iterator waits for its thread, seconds at times."""
    if keras.backend.backend() != "tensorflow":
        yield
        return

    options = tf.data.Options()
    options.autotune.enabled = False
    iterate = tf.data.Dataset.__iter__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.data.Dataset, "__iter__", lambda data: iterate(data.with_options(options)))
        yield


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(7)


@pytest.fixture(autouse=True, scope="module")
def _cleared():
    """Forgets a module's models; what is left is not looked through for garbage again and again."""
    yield
    keras.backend.clear_session()
    gc.collect()
    gc.freeze()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
