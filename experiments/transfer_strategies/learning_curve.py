"""Accuracy over the time of a training, measured after every epoch."""

import time
from typing import Any

import keras
import numpy as np
import pandas as pd

from ..training import reuse, training


def fit_and_measure(
    model: Any,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    steps: int,
    spent: float = 0.0,
) -> pd.DataFrame:
    """Fits a compiled model and tests it in inference mode after every epoch.

    Args:
        model: Compiled, with accuracy as its metric.
        train: Inputs and labels.
        test: Those held out.
        batch_size: Images in a batch.
        seed: Decides the order.
        epochs: How often to test.
        steps: Training steps in an epoch.
        spent: Seconds spent before, to prepare the inputs.

    Returns:
        One row an epoch: `step`; `seconds` (since the start, tracing and tests not counted);
        `fit_accuracy` (of the epoch, as `fit` reports it) and `test_accuracy`, shares.
    """
    _trace(model, train, test, batch_size)
    rows: list[dict[str, float]] = []
    tests = 0.0
    started = time.perf_counter() - spent

    def measure(epoch: int, logs: dict[str, float]) -> None:
        nonlocal tests
        paused = time.perf_counter()
        test_accuracy = training.accuracy(model, *test, batch_size)
        rows.append(
            {
                "step": (epoch + 1) * steps,
                "seconds": paused - started - tests,
                "fit_accuracy": logs["accuracy"],
                "test_accuracy": test_accuracy,
            }
        )
        tests += time.perf_counter() - paused

    training.fit(
        model,
        *train,
        batch_size=batch_size,
        seed=seed,
        epochs=epochs,
        steps=steps,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=measure)],
    )
    return pd.DataFrame(rows)


def _trace(model: Any, train: tuple[Any, Any], test: tuple[Any, Any], batch_size: int) -> None:
    """Runs a step and a test, so that both are traced, and resets the model."""
    if model.train_function is not None:
        return
    state = reuse.state_of(model)
    training.fit(model, *train, batch_size=batch_size, seed=0, steps=1)
    x, y = test
    training.accuracy(model, x[:batch_size], y[:batch_size], batch_size)
    reuse.restart(model, state)
