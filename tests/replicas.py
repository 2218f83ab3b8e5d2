"""Two replicas on the two logical devices that `tests/conftest.py` makes of the processor."""

import functools


@functools.cache
def mirrored():
    """The one strategy of this process: the collective operations of a second one would get the same keys."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
