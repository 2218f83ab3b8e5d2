"""Several devices in one process, also where there is one processor only."""

import functools
from typing import Any

from tfbn.validation import InputError


def logical(count: int) -> list[str]:
    """Names of `count` devices: the GPUs if there are enough, else the processor cut into as many.

    Raises:
        InputError: TensorFlow is at work in this process already, with fewer devices.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) >= count:
        return [f"GPU:{i}" for i in range(count)]
    processor = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(processor) or []) < count:
        try:
            tf.config.set_logical_device_configuration(
                processor, [tf.config.LogicalDeviceConfiguration()] * count
            )
        except RuntimeError:
            raise InputError(
                "Expected `workers` to be at least 1: devices are made when a process starts. "
                "Received: workers=0"
            ) from None
    return [f"CPU:{i}" for i in range(count)]


@functools.lru_cache(maxsize=1)
def mirrored(count: int) -> Any:
    """A `tf.distribute.MirroredStrategy` over `count` devices, see `logical`; one for each process."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(logical(count))
