"""The networks that faults are planted in, their data, and how they are trained."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import tfbn

BATCH, STEPS, CLASSES = 16, 50, 3
LOSS = "sparse_categorical_crossentropy"


def convolutional() -> Any:
    return tfbn.models.build("resnet8", width=4, input_shape=(12, 12, 1), classes=CLASSES, momentum=0.9)


def dense() -> Any:
    layers = [keras.Input((6,)), keras.layers.Dense(8), keras.layers.BatchNormalization(momentum=0.9)]
    layers += [keras.layers.ReLU(), keras.layers.Dense(8), keras.layers.BatchNormalization(momentum=0.9)]
    return keras.Sequential([*layers, keras.layers.ReLU(), keras.layers.Dense(CLASSES, "softmax")])


NETWORKS: dict[str, Callable[[], Any]] = {"convolutional": convolutional, "dense": dense}


def data(shape: tuple[int, ...], seed: int, number: int = BATCH * STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Classes with a pattern of their own each, in noise."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(1000 + seed).normal(size=(CLASSES, *shape))
    y = rng.integers(0, CLASSES, number)
    return (patterns[y] + rng.normal(2, 1.5, (number, *shape))).astype("float32"), y


def compiled(model: Any, optimizer: Any = None) -> Any:
    model.compile(optimizer or keras.optimizers.SGD(0.05), LOSS, metrics=["accuracy"])
    if model.distribute_strategy.num_replicas_in_sync == 1:
        # Makes the metrics' variables: TensorFlow traces a step that has to make variables twice.
        model.compute_metrics(None, np.zeros(1, int), np.full((1, CLASSES), 1 / CLASSES, "float32"))
        model.reset_metrics()
    return model


def watching(doctor: Any) -> list[Any]:
    """The doctor; with a recorder where it has a log folder, for the BatchNorm tab."""
    recorder = [] if doctor.log_dir is None else [tfbn.DriftRecorder(doctor.log_dir, heat_maps=False)]
    return [*recorder, doctor]


def train(model: Any, x: Any, y: Any, doctor: Any, *others: Any, **arguments: Any) -> None:
    """The batches as they come."""
    arguments = {"batch_size": BATCH, "shuffle": False, "verbose": 0} | arguments
    model.fit(x, y, callbacks=[*others, *watching(doctor)], **arguments)
