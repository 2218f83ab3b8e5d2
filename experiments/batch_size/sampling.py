"""How far the mean and the variance of a batch are from those of the whole set."""

from typing import Any

import numpy as np
import pandas as pd

from tfbn.graph.call_hooks import observed
from tfbn.graph.traversal import built_batch_normalizations
from tfbn.statistics import drift
from tfbn.statistics.snapshots import Snapshot

DRAWS = 200  # batches of each size


def errors(model: Any, x: np.ndarray, sizes: tuple[int, ...], seed: int) -> pd.DataFrame:
    """The errors of batches drawn with replacement, layer by layer, the model being in inference mode.

    Args:
        model: Built; it stays as it is.
        x: The whole set of inputs.
        sizes: Images in a batch.
        seed: Of the draw.

    Returns:
        One row per layer and size: `layer`; `positions` (H*W); `batch_size`; `values` (N*H*W);
        `mean_error`, the root mean square over batches and channels of the error of the
        mean, in standard deviations of the whole set; `variance_error`, that of the variance,
        relative to it. With independent values these are `1 / sqrt(N*H*W)`, and for normal ones
        `sqrt(2 / (N*H*W))`.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for layer, (positions, means, squares) in moments_by_image(model, x).items():
        for size in sizes:
            drawn = rng.integers(len(x), size=(DRAWS, size))
            mean_error, variance_error = _errors(means, squares, drawn)
            rows.append((layer, positions, size, size * positions, mean_error, variance_error))
    columns = ["layer", "positions", "batch_size", "values", "mean_error", "variance_error"]
    return pd.DataFrame(rows, columns=columns)


def _errors(means: np.ndarray, squares: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    mean, variance = means.mean(0), squares.mean(0) - means.mean(0) ** 2
    alive = variance > 1e-8 * variance.max()
    batch_mean = np.stack([means[batch].mean(0) for batch in drawn])
    batch_variance = np.stack([squares[batch].mean(0) for batch in drawn]) - batch_mean**2
    mean_error = ((batch_mean - mean) / np.sqrt(np.where(alive, variance, 1)))[:, alive]
    variance_error = (batch_variance / np.where(alive, variance, 1) - 1)[:, alive]
    return float(np.sqrt(np.mean(mean_error**2))), float(np.sqrt(np.mean(variance_error**2)))


def moments_by_image(model: Any, x: np.ndarray) -> dict[str, tuple[int, np.ndarray, np.ndarray]]:
    """For the inputs of each BatchNorm: positions, and mean and mean square of every image.

    Both are of shape `(images, channels)` in float64, over the positions of one image.
    From them the moments of any batch follow.
    """
    inputs = inputs_of(model, x)
    flat = {
        path: value.reshape(len(x), -1, value.shape[-1]).astype(np.float64) for path, value in inputs.items()
    }
    return {path: (value.shape[1], value.mean(1), (value**2).mean(1)) for path, value in flat.items()}


def inputs_of(model: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    """The inputs of each BatchNorm in inference mode, by its path."""
    named_layers = built_batch_normalizations(model)
    paths = {id(named.layer): named.path for named in named_layers}
    seen: dict[str, np.ndarray] = {}

    def see(layer: Any, inputs: Any, training: bool | None, mask: Any) -> None:
        seen[paths[id(layer)]] = np.array(inputs, copy=True)

    with observed([named.layer for named in named_layers], see):
        model(x, training=False)
    return seen


def distance_from_beta(model: Any, x: np.ndarray) -> dict[str, float]:
    """By layer: how far its outputs are from beta when it normalizes by the batch `x`.

    Exactly 0 where a channel has one value (N*H*W = 1): the input is lost entirely.
    """
    layers = {named.path: named.layer for named in built_batch_normalizations(model)}
    found = {}
    for path, value in inputs_of(model, x).items():
        outputs, beta = (np.asarray(v) for v in (layers[path](value, training=True), layers[path].beta))
        found[path] = float(np.abs(outputs - beta).max())
    return found


def apart(current: Snapshot, reference: Snapshot) -> dict[str, float]:
    """The distances of `tfbn.drift` between two snapshots, the mean over layers."""
    layers = drift.of_snapshots(current, reference).values()
    return {metric: float(np.mean([layer[metric] for layer in layers])) for metric in drift.METRICS}
