"""Pretrains a network from scratch on a source."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from tfbn.utils.files import written_whole

from . import training
from .data import Split


def train(base: Any, split: Split, *, epochs: int, batch_size: int, learning_rate: float, seed: int) -> float:
    """Trains a network with a new head; returns its accuracy on held-out images.

    Args:
        base: From images to features; trained in place.
        split: The source's images.
        epochs: How many.
        batch_size: Images per batch.
        learning_rate: Adam's, at its peak; it falls to zero along a cosine.
        seed: Decides the head and the order of the batches.
    """
    initial = keras.initializers.GlorotUniform(seed=seed)
    head = keras.layers.Dense(split.classes, kernel_initializer=initial, name="source_head")
    model = keras.Model(base.input, head(base.output))
    steps = epochs * -(-len(split.train_x) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    training.compiled(model, keras.optimizers.Adam(rate))
    training.fit(model, split.train_x, split.train_y, batch_size=batch_size, seed=seed, epochs=epochs)
    return training.accuracy(model, split.test_x, split.test_y, batch_size)


def save(base: Any, path: Path) -> None:
    """Writes the weights of a network atomically, without optimizer state."""
    with written_whole(path) as temporary:
        named = temporary.with_name(f"{temporary.name}.weights.h5")  # Keras requires this suffix
        try:
            base.save_weights(named)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """A lock against writing the same file from two processes; it ends with its owner."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
