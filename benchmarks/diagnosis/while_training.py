"""Faults that only training shows, each planted in a network."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import tfbn
from benchmarks.diagnosis.networks import BATCH, CLASSES, STEPS, compiled, train
from benchmarks.diagnosis.own_steps import Own, Recomputed, TestsByBatch


def other_domain(x: np.ndarray) -> np.ndarray:
    return 0.4 * x + 3


# The faults. Each takes a network, data and a doctor.


def one_class_a_batch(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    pools = {c: np.flatnonzero(y == c) for c in range(CLASSES)}
    turns = np.random.default_rng(0).integers(0, CLASSES, STEPS)
    order = np.concatenate([pools[c][np.arange(BATCH) + 2 * i] for i, c in enumerate(turns)])
    train(compiled(model), x[order], y[order], doctor)


def sorted_by_class(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    order = np.argsort(y + np.random.default_rng(0).normal(0, 0.35, len(y)))
    train(compiled(model), x[order], y[order], doctor)


def first_class_only(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    order = np.argsort(y, kind="stable")[: BATCH * 12]
    train(compiled(model), x[order], y[order], doctor)


def two_halves(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    second = np.arange(len(x)) % BATCH >= BATCH // 2
    train(compiled(model), np.where(_like(second, x), other_domain(x), x), y, doctor)


def odd_and_even(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    odd = np.arange(len(x)) % 2 == 1
    train(compiled(model), np.where(_like(odd, x), other_domain(x), x), y, doctor)


def step_by_step(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    odd = np.arange(len(x)) // BATCH % 2 == 1
    train(compiled(model), np.where(_like(odd, x), other_domain(x), x), y, doctor)


def siamese(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    one, two = (keras.Input(model.input_shape[1:]) for _ in range(2))
    outputs = keras.layers.Add()([model(one), model(two)])
    both = keras.Model([one, two], keras.layers.Softmax()(outputs))
    train(compiled(both), [x, other_domain(x[::-1])], y, doctor)


def own(kind: type[Own]) -> Callable:
    def plant(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
        model = kind(model)
        model.compile(keras.optimizers.SGD(0.05))
        train(model, x, y, doctor)

    plant.__name__ = kind.__name__.lower()
    return plant


def recomputed(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    inputs = keras.Input(model.input_shape[1:])
    train(compiled(keras.Model(inputs, Recomputed(model)(inputs))), x, y, doctor)


def accumulated(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    train(compiled(model, keras.optimizers.SGD(0.05, gradient_accumulation_steps=4)), x, y, doctor)


def growing(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    for named in tfbn.traversal.batch_normalizations(model):
        named.layer.momentum = 0.99
    growth = np.exp(np.arange(len(x)) // BATCH / 8)
    train(compiled(model), _like(growth, x) * x, y, doctor)


def toggled(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    compiled(model).fit(x[:BATCH], y[:BATCH], verbose=0)
    for named in tfbn.traversal.batch_normalizations(model):
        named.layer.trainable = False
    train(model, x, y, doctor)


def evaluated_in_training(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    wrong = TestsByBatch(model.inputs, model.outputs)
    train(compiled(wrong), x, y, doctor, validation_data=(x[:32], y[:32]))


def validated_in_bytes(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    train(compiled(model), x, y, doctor, validation_data=(255 * x[:64], y[:64]))


def validated_symmetrically(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    low, high = x.min(), x.max()
    unit = (x - low) / (high - low)
    train(compiled(model), unit, y, doctor, validation_data=(2 * unit[:64] - 1, y[:64]))


def other_labels(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    validation = x[:64], (y[:64] + 1) % CLASSES
    train(compiled(model, keras.optimizers.Adam(0.01)), x, y, doctor, validation_data=validation)


def ragged_end(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    end = 10 * BATCH + 1
    train(compiled(model), x[:end], y[:end], doctor, epochs=4)


def tiny_batches(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    size = 1 if len(model.input_shape) > 2 else 8
    train(compiled(model), x[: 50 * size], y[: 50 * size], doctor, batch_size=size)


def infinite_value(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    x = x.copy()
    x[30 * BATCH] = np.inf
    train(compiled(model), x, y, doctor)


def overflowing(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    """Finite values whose squares are not."""
    x = x.copy()
    x[30 * BATCH] = 1e25
    train(compiled(model), x, y, doctor)


def assigned(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    """Other code averages all variables, also those of frozen layers."""
    tfbn.recalibrate(model, x[: 8 * BATCH], verbose=False)
    tfbn.freeze(model, training=False, trainable=False)
    variables = [named.layer.moving_mean for named in tfbn.traversal.batch_normalizations(model)]

    def average(batch: int, logs: Any) -> None:
        for variable in variables:
            variable.assign(0.99 * variable)

    other = keras.callbacks.LambdaCallback(on_train_batch_end=average)
    train(compiled(model), x, y, doctor, other)


def _like(chosen: np.ndarray, x: np.ndarray) -> np.ndarray:
    return chosen.reshape(-1, *[1] * (x.ndim - 1))
