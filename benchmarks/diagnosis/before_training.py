"""Faults that show before the first step, each planted in a network."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

import tfbn
from benchmarks.diagnosis.networks import BATCH, compiled, train


def norms(model: Any) -> list[Any]:
    return [named.layer for named in tfbn.traversal.batch_normalizations(model)]


def statistics_of(model: Any, x: np.ndarray) -> None:
    tfbn.recalibrate(model, x[: 8 * BATCH], verbose=False)


def averaged(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    train(compiled(model, keras.optimizers.SGD(0.05, use_ema=True)), x, y, doctor)


def swapped(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    compiled(model, keras.optimizers.SGD(0.05, use_ema=True))
    train(model, x, y, doctor, keras.callbacks.SwapEMAWeights())


def default_momentum(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    for layer in norms(model):
        layer.momentum = 0.99
    train(compiled(model), x, y, doctor)


def held(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    statistics_of(model, x)
    tfbn.convert(model, training=True, update_statistics=False)
    train(compiled(model), x, y, doctor)


def flag_at_the_call(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    statistics_of(model, x)
    inputs = keras.Input(model.input_shape[1:])
    outer = keras.Model(inputs, keras.layers.Softmax()(model(inputs, training=False)))
    train(compiled(outer), x, y, doctor)


def lost_flags(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    """The weights of a model that was frozen and saved, in one that was built again."""
    statistics_of(model, x)
    with tempfile.TemporaryDirectory() as folder:
        frozen = keras.models.clone_model(model)
        frozen.set_weights(model.get_weights())
        tfbn.convert(frozen, training=False)
        frozen.save(Path(folder) / "frozen.keras")
        doctor.saved = Path(folder) / "frozen.keras"
        train(compiled(tfbn.revert(model)), x, y, doctor)


def never_measured(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    tfbn.convert(model, training=False)
    train(compiled(model), x, y, doctor)


def dead(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    last = norms(model)[-1]
    last.moving_variance.assign(np.zeros(last.moving_variance.shape))
    train(compiled(model), x, y, doctor)


def not_a_number(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    mean = norms(model)[0].moving_mean
    mean.assign(np.where(np.arange(mean.shape[0]) == 1, np.nan, 0.5))
    train(compiled(model), x, y, doctor)


def converted_epsilon(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    """Weights whose variances are near 1e-5, in layers with an epsilon of 1e-3."""
    for layer in norms(model):
        layer.epsilon = 1e-3
    variance = norms(model)[0].moving_variance
    variance.assign(np.random.default_rng(0).uniform(1e-5, 2e-4, variance.shape))
    train(compiled(model), x, y, doctor)


def partly_synchronized(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        replicated = keras.models.clone_model(model)
        norms(replicated)[0].synchronized = True
        compiled(replicated)
    train(replicated, x, y, doctor)
