"""How soon the moving statistics of a network are good enough for inference mode."""

from typing import Any

import keras
import numpy as np
import pandas as pd

from tfbn import statistics
from tfbn.graph.traversal import built_batch_normalizations

from ..training import scratch, training
from ..training.data import Split


def looks(steps: int) -> list[int]:
    """The steps to measure after: 0, the powers of two, and the last.

    >>> looks(6)
    [0, 1, 2, 4, 6]
    """
    return sorted({0, steps, *(2**k for k in range(steps.bit_length()) if 2**k < steps)})


def watched_fit(
    model: Any, split: Split, *, batch_size: int, seed: int, steps: int, population: Any = None
) -> pd.DataFrame:
    """Trains and measures both modes at the steps of `looks`.

    Args:
        model: Compiled.
        split: The images.
        batch_size: Images in a batch.
        seed: Decides the order.
        steps: Training steps.
        population: The statistics that the moving ones approach, by layer, as
            `tfbn.population_statistics` gives them; None if the weights train, so that there is
            no fixed target.

    Returns:
        One row for each of `looks(steps)`: `step`, `accuracy_inference`, `accuracy_batch`
        (shares of the test images), `gone` (see `way_gone`).
    """
    rows: list[dict[str, float]] = []
    at, images = set(looks(steps)), (split.test_x, split.test_y)

    def look(step: int) -> None:
        if step in at:
            accuracies = {
                "accuracy_inference": scratch.accuracy(model, *images),
                "accuracy_batch": scratch.accuracy_by_batch(model, *images, batch_size),
            }
            gone = np.nan if population is None else way_gone(model, population)
            rows.append({"step": step, "gone": gone, **accuracies})

    look(0)
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: look(epoch + 1))
    training.fit(
        model, split.train_x, split.train_y,
        batch_size=batch_size, seed=seed, epochs=steps, steps=1, callbacks=[callback],
    )  # fmt: skip
    return pd.DataFrame(rows)


def start_statistics(model: Any) -> None:
    """Resets every moving statistic to that of a fresh layer: mean 0, variance 1."""
    for named in built_batch_normalizations(model):
        named.layer.moving_mean.assign(np.zeros(named.layer.moving_mean.shape, "float32"))
        named.layer.moving_variance.assign(np.ones(named.layer.moving_variance.shape, "float32"))


def way_gone(model: Any, population: "dict[str, statistics.Moments]") -> float:
    """The share of the distance from (0, 1) to the population that the moving statistics have covered.

    The projection on the way, `(now - start) . (end - start) / |end - start|^2`, mean over the
    layers' means and variances.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization(name="bn")])
    >>> _ = model.layers[0].moving_mean.assign([1.0]), model.layers[0].moving_variance.assign([2.0])
    >>> way_gone(model, {"bn": statistics.Moments(np.array([4.0]), np.array([3.0]), 10)})
    0.375
    """
    shares = []
    for path, now in statistics.take(model).items():
        end = population[path]
        for value, start, goal in ((now.mean, 0.0, end.mean), (now.variance, 1.0, end.variance)):
            way = goal - start
            shares.append(np.dot(value - start, way) / np.dot(way, way))
    return float(np.mean(shares))


def usable_from(table: pd.DataFrame, margin: float) -> float:
    """The first look from which on inference mode is within `margin` of the batch's accuracy.

    Args:
        table: From `watched_fit`.
        margin: A share of the images.

    Returns:
        The step; NaN if the last look is still outside.

    Example:

    >>> import pandas as pd
    >>> looks = pd.DataFrame({"step": [0, 1, 2], "accuracy_batch": [0.1, 0.5, 0.9]})
    >>> usable_from(looks.assign(accuracy_inference=[0.1, 0.2, 0.88]), margin=0.05)
    2.0
    """
    outside = (table.accuracy_batch - table.accuracy_inference > margin).to_numpy()
    first = int(np.flatnonzero(outside)[-1]) + 1 if outside.any() else 0
    return float(table.step.iloc[first]) if first < len(table) else float("nan")
