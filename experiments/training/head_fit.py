"""Fits a head on the features of a frozen network, with the moving statistics that `fit` would give."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfbn.statistics import moving_average

from . import training
from .data import Split
from .frozen_network import FrozenNetwork
from .frozen_probe import FrozenPerformance, FrozenProbe
from .prefix import WholeRecorder
from .shared_arrays import Arrays


@dataclasses.dataclass(frozen=True)
class Order:
    """The batches of a fit.

    Attributes:
        batches: The positions of the images of each step.
        epochs: How many passes these are.
    """

    batches: list[np.ndarray]
    epochs: int

    @classmethod
    def of_fit(cls, images: int, batch_size: int, epochs: int, seed: int) -> "Order":
        """The batches of `training.fit`."""
        return cls(training.order_of_batches(images, batch_size, epochs, seed), epochs)

    def pass_through(self, images: np.ndarray, call: "Call") -> Arrays:
        """The network's results for all batches: features, one row per image, and statistics, one row
        per step."""
        features, rows = zip(*call(images[batch] for batch in self.batches), strict=True)
        return {"features": np.concatenate(features), "rows": np.asarray(rows, np.float32)}

    def dataset(self, features: np.ndarray, labels: np.ndarray) -> Any:
        """A `tf.data.Dataset` of batches of features and their labels, of all epochs."""
        ends = np.cumsum([len(batch) for batch in self.batches])
        x, y = tf.constant(features), tf.constant(labels[np.concatenate(self.batches)])
        stretches = tf.data.Dataset.from_tensor_slices((np.r_[0, ends[:-1]], ends))
        return stretches.map(lambda start, end: (x[start:end], y[start:end]))

    def fit(self, model: Any, features: np.ndarray, labels: np.ndarray, callbacks: list[Any]) -> float:
        """Fits a compiled model on features; returns the last epoch's accuracy."""
        steps = len(self.batches) // self.epochs
        data = self.dataset(features, labels)
        history = training.fit_batches(model, data, epochs=self.epochs, steps=steps, callbacks=callbacks)
        return history["accuracy"][-1]


Call = Callable[[Iterable[np.ndarray]], Iterator[tuple[np.ndarray, np.ndarray]]]


def moving(start: np.ndarray, rows: Iterable[np.ndarray], momentum: float) -> Iterator[np.ndarray]:
    """The moving statistics after each step, from those of the batches.

    Example:

    >>> [row.tolist() for row in moving(np.array([0.0]), np.array([[4.0], [8.0]]), momentum=0.5)]
    [[2.0], [5.0]]
    """
    now = start
    for row in rows:
        now = moving_average(now, np.float64(row), momentum)
        yield now


class Statistics(keras.callbacks.Callback):
    """Sets the moving statistics of the network with each batch, to their values after that step.

    Place it after a recorder, which starts with the first batch.

    Args:
        network: The network.
        rows: Its statistics after each step.
    """

    def __init__(self, network: FrozenNetwork, rows: Iterable[np.ndarray]):
        super().__init__()
        self._network, self._rows = network, iter(rows)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._network.statistics = next(self._rows)


class Recorder(WholeRecorder):
    """A `DriftRecorder` of the whole network while its head is fitted, with a `FrozenProbe`.

    Args:
        network: Set as the arm has it.
        by_batch: Whether `fit` normalizes by the batch.
        folder: For the log.
        split: The first images to train on are the probe.
        batch_size: Number of images in the probe.
    """

    def __init__(self, network: FrozenNetwork, by_batch: bool, folder: Path, split: Split, batch_size: int):
        images, labels = split.train_x[:batch_size], split.train_y[:batch_size]
        super().__init__(network.model, folder, probe=images, probe_labels=labels)
        self._known = FrozenProbe(network, images, by_batch)
        self._measured = FrozenPerformance(network.model, images, labels, self._known)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._traced.probe, self._traced.performance = self._known, self._measured
