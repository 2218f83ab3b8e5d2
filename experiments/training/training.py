"""Training a classifier on images in memory: the one loop that experiments share."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfbn.datasets import Stream


def compiled(model: Any, optimizer: Any) -> Any:
    """The model, compiled to classify from logits; `model` itself."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=compiles())
    return model


def compiles() -> bool:
    """Whether `fit` compiles its step with XLA: on JAX, where every operation would be a call otherwise."""
    return keras.backend.backend() == "jax"


class AfterStep(keras.callbacks.Callback):
    """Calls a function after each step, with the variables as the step left them."""

    def __init__(self, function: Callable[[], None]):
        super().__init__()
        self._function = function

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        _ = self.model  # on JAX, this brings the variables up to date
        self._function()


def build_optimizer(model: Any) -> None:
    """Makes the optimizer's variables now. `fit` would make them while it traces, two graphs for each,
    and keep these graphs: with EfficientNet-Lite0, 600 graphs and 8 s of CPU for every model.
    """
    optimizer = model.optimizer
    if keras.backend.backend() == "tensorflow" and optimizer is not None and not optimizer.built:
        with model.distribute_strategy.scope():
            optimizer.build(model.trainable_variables)


def trained_parameters(model: Any) -> float:
    """How many numbers a training may change."""
    return float(sum(math.prod(variable.shape) for variable in model.trainable_variables))


def fit(
    model: Any,
    x: "np.ndarray | Stream",
    y: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    epochs: int = 1,
    steps: int | None = None,
    callbacks: Sequence[Any] = (),
    shuffle: bool = True,
) -> dict[str, list[float]]:
    """Fits a compiled model; the order of the examples is a function of `seed` alone.

    Args:
        model: Compiled.
        x: Inputs, one row each.
        y: Labels.
        batch_size: Examples in a batch.
        seed: Decides the order.
        epochs: Passes over the data; with `steps`, rounds of this many steps.
        steps: Steps in an epoch, with batches that are all full, as many passes as that
            takes. So runs of different batch sizes can be compared at the same number of steps.
        callbacks: Keras callbacks.
        shuffle: False: the order of `x`, in every epoch.

    Returns:
        The history: a list of values, one an epoch, for each metric.
    """
    streamed = isinstance(x, Stream)
    data = tf.data.Dataset.range(len(x)) if streamed else tf.data.Dataset.from_tensor_slices((x, y))
    data = data.shuffle(len(x), seed=seed) if shuffle else data
    data = data if steps is None else data.repeat()
    data = x.dataset(batch_size, data, y) if isinstance(x, Stream) else data.batch(batch_size)
    return fit_batches(model, data, epochs=epochs, steps=steps, callbacks=callbacks)


def fit_batches(
    model: Any, data: Any, *, epochs: int, steps: int | None = None, callbacks: Sequence[Any] = ()
) -> dict[str, list[float]]:
    """Fits a compiled model on a `tf.data.Dataset` of batches; arguments and history as in `fit`."""
    build_optimizer(model)
    history = model.fit(
        _plain(data),
        epochs=epochs,
        steps_per_epoch=steps,
        verbose=0,
        shuffle=False,
        callbacks=list(callbacks),
    )
    return history.history


def order_of_batches(images: int, batch_size: int, epochs: int, seed: int) -> list[np.ndarray]:
    """The positions of the images in each batch of all epochs, as `fit` takes them.

    They are those of a `fit` that trains nothing: Keras begins the data set more often than once
    an epoch, and each time it is in another order. TensorFlow's global seed has a say, too.
    """
    found: list[np.ndarray] = []

    class Noting(keras.Model):
        def call(self, x: Any) -> Any:
            return x

        def train_step(self, data: Any) -> dict[str, float]:
            found.append(np.asarray(data[1]))
            return {"accuracy": 0.0}

    model = Noting()
    model.compile(run_eagerly=True)
    positions = np.arange(images)
    fit(model, np.zeros((images, 1), np.float32), positions, batch_size=batch_size, seed=seed, epochs=epochs)
    return found


def predict(model: Any, x: np.ndarray, batch_size: int) -> Any:
    """What `model.predict` gives."""
    return model.predict(_plain(_in_batches(x, batch_size)), verbose=0)


def accuracy(model: Any, x: np.ndarray, y: np.ndarray, batch_size: int) -> float:
    """The accuracy that `model.evaluate` gives."""
    return float(model.evaluate(_plain(_in_batches(x, batch_size, y)), verbose=0)[1])


def batches(x: Any, batch_size: int, name: str = "data") -> dict[str, Any]:
    """Arguments for `tfbn.recalibrate` and similar functions to read images, an array or a stream."""
    if isinstance(x, Stream):
        return {name: _plain(x.dataset(batch_size))}
    return {name: x, "batch_size": batch_size}


def _in_batches(x: Any, batch_size: int, y: np.ndarray | None = None) -> Any:
    if isinstance(x, Stream):
        return x.dataset(batch_size, labels=y)
    return tf.data.Dataset.from_tensor_slices(x if y is None else (x, y)).batch(batch_size)


def _plain(data: Any) -> Any:
    """Data read by one thread, without tf.data's autotuner, since they are in memory.

    So workers do not compete for cores. The autotuner has a thread that an iterator waits for
    when it is freed: sometimes for seconds, a fifth of the main job.
    """
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    return data.with_options(options)
