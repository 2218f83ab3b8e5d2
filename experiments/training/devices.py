"""Several devices in one process, also on a machine with one processor."""

import functools
import importlib
from typing import Any

import keras
import tensorflow as tf

from tfbn.graph.traversal import batch_normalizations
from tfbn.utils.validation import InputError, fail

from ..lab.origin import processor


def check(config: Any) -> None:
    """Raises `InputError` if devices are not available, or cannot share the batches.

    Args:
        config: With `strategy`, `replicas`, `batch_size`, `images_to_train_on`, and those of any experiment.
    """
    if config.strategy == "none":
        return
    check_workers(config)
    for name, value in (("batch_size", config.batch_size), ("train_images", config.images_to_train_on)):
        if value % config.replicas:
            raise fail(
                name,
                f"to be a multiple of replicas={config.replicas}, so that each has as many images",
                value,
            )


def check_workers(config: Any) -> None:
    """Raises `InputError` if runs would happen in this process, whose devices are already set up."""
    if config.workers == 0 and not config.scheduler:
        raise InputError("Expected `workers` to be at least 1 for several devices. Received: workers=0")


def strategy(config: Any) -> Any:
    """The `tf.distribute` strategy that the options name; its `scope()` is where a model must be made.

    Call it before TensorFlow is used in this process, because that creates the devices.
    """
    return tf.distribute.get_strategy() if config.strategy == "none" else mirrored(config.replicas)


def synchronize(model: Any, synchronized: bool) -> None:
    """Whether BatchNormalization computes moments over the joint batch, rather than each device's part."""
    for named in batch_normalizations(model):
        named.layer.synchronized = synchronized


def logical(count: int) -> list[str]:
    """Names of `count` devices: the GPUs if there are enough, otherwise as many parts of the processor.

    Raises:
        InputError: TensorFlow already runs in this process, with fewer devices.
    """
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
                "Expected a worker process that TensorFlow has not used yet, since devices are made when it "
                f"starts. Received: one that has fewer than replicas={count}; restart the workers"
            ) from None
    return [f"CPU:{i}" for i in range(count)]


@functools.lru_cache(maxsize=1)
def mirrored(count: int) -> Any:
    """A `tf.distribute.MirroredStrategy` over `count` devices, see `logical`; one for each process."""
    return tf.distribute.MirroredStrategy(logical(count))


@functools.cache
def in_use() -> str:
    """The device that computes in this process, the processor or an accelerator, and the libraries on it.

    >>> in_use().split("; ")[1].startswith("Keras")
    True
    """
    backend = keras.backend.backend()
    library = importlib.import_module(backend)
    return f"{accelerator() or processor()}; Keras {keras.__version__}, {backend} {library.__version__}"


def accelerator() -> str:
    """The name of the accelerator that Keras's backend uses; empty if there is none."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return "" if device.platform == "cpu" else device.device_kind
    if backend == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else ""
