"""Accuracy over the time of a training, measured after every epoch."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pandas as pd

from ..training import reuse, training
from .following import Followed

Data = tuple[np.ndarray, np.ndarray]


def fit_and_measure(
    model: Any,
    train: Data,
    test: Data,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    steps: int,
    spent: float = 0.0,
    test_batch: int | None = None,
    followed: Followed | None = None,
    momenta: dict[str, float] | None = None,
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
        test_batch: Images in a batch of a test; `batch_size` if None.
        followed: The model's moving statistics at several momenta, if it is evaluated with these.
        momenta: The momentum of each column of accuracies in that case.

    Returns:
        One row per epoch: `step`; `seconds` (since the start, without tracing, tests and the computation
        of moving statistics); `fit_accuracy` (of the epoch, as `fit` reports it) and `test_accuracy`,
        shares, or a column for each of `momenta`.
    """
    test_batch = test_batch or batch_size
    _trace(model, train, test, batch_size, test_batch)
    rows: list[dict[str, float]] = []
    clock = _Clock(spent)

    def measure(epoch: int, logs: dict[str, float]) -> None:
        with clock.paused() as seconds:
            tested = _tested(model, test, test_batch, followed, momenta or {})
            rows.append(
                {
                    "step": (epoch + 1) * steps,
                    "seconds": seconds,
                    "fit_accuracy": logs["accuracy"],
                    **tested,
                }
            )

    callbacks: list[Any] = [keras.callbacks.LambdaCallback(on_epoch_end=measure)]
    if followed is not None:
        followed.restart()
        callbacks.insert(0, training.AfterStep(lambda: _follow(model, followed, clock)))
    training.fit(
        model, *train, batch_size=batch_size, seed=seed, epochs=epochs, steps=steps, callbacks=callbacks
    )
    return pd.DataFrame(rows)


class _Clock:
    """Seconds since it was made, without pauses.

    Args:
        spent: Seconds to begin with.
    """

    def __init__(self, spent: float):
        self._started = time.perf_counter() - spent

    @contextlib.contextmanager
    def paused(self) -> Iterator[float]:
        """Stops the clock inside the block; yields the seconds so far."""
        paused = time.perf_counter()
        yield paused - self._started
        self._started += time.perf_counter() - paused


def _follow(model: Any, followed: Followed, clock: _Clock) -> None:
    model.trainable_variables[-1].numpy()  # waits for the step, which is part of the training
    with clock.paused():
        followed.after_step()


def _tested(
    model: Any, test: Data, batch_size: int, followed: Followed | None, momenta: dict[str, float]
) -> dict[str, float]:
    if followed is None:
        return {"test_accuracy": training.accuracy(model, *test, batch_size)}
    found = {}
    for column, momentum in momenta.items():
        followed.put(momentum)
        found[column] = training.accuracy(model, *test, batch_size)
    return found


def _trace(model: Any, train: Data, test: Data, batch_size: int, test_batch: int) -> None:
    """Runs a step and a test, so that both are traced, and resets the model."""
    if model.train_function is not None:
        return
    state = reuse.state_of(model)
    training.fit(model, *train, batch_size=batch_size, seed=0, steps=1)
    x, y = test
    training.accuracy(model, x[:test_batch], y[:test_batch], test_batch)
    reuse.restart(model, state)
