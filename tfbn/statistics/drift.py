"""How far statistics are from a reference: one definition, for numpy and for the train step.

A channel's statistics are taken as a normal distribution N(mean, variance). With the
reference N(m0, v0) and the layer's epsilon e, for each layer:

| metric | formula, `avg` over the layer's channels | unit |
|---|---|---|
| `mean_shift` | `sqrt(avg((m - m0)^2 / (v0 + e)))` | reference standard deviations |
| `log_variance_ratio` | `avg(abs(log((v + e) / (v0 + e))))` | nats per channel |
| `kl` | `avg(((m - m0)^2 / (v0 + e) + r - 1 - log(r)) / 2)`, `r = (v + e) / (v0 + e)` | nats per channel |
| `mean_l2` | `sqrt(avg((m - m0)^2)) / sqrt(avg(m0^2) + e)` | none |
| `variance_l2` | `sqrt(avg((v - v0)^2)) / (sqrt(avg(v0^2)) + e)` | none |

Each is 0 if and only if nothing moved. The absolute value of the log ratio is averaged, so
that growing and shrinking channels do not cancel. `kl` is the divergence of
the current distribution from the reference, `KL(N(m, v + e) || N(m0, v0 + e))`. Epsilon,
which the layer itself divides by, keeps all of them finite on dead channels, and `mean_l2`
on a fresh layer, whose moving mean is 0.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tfbn.statistics.snapshots import Snapshot, Statistics
from tfbn.utils.validation import fail
from tfbn.utils.words import counted

UNITS = {
    "mean_shift": "reference standard deviations",
    "log_variance_ratio": "nats per channel",
    "kl": "nats per channel",
    "mean_l2": "relative to the reference",
    "variance_l2": "relative to the reference",
}
METRICS = tuple(UNITS)


@dataclasses.dataclass(frozen=True)
class Reference:
    """What the distances are measured from, with the channels of all layers in one row.

    Attributes:
        mean: Reference mean, shape `(all channels,)`.
        variance: Reference variance.
        epsilon: The layers' epsilon, repeated for each channel.
        spread: `1 / (variance + epsilon)`.
        root_spread: Its square root.
        mean_weight: What `mean_l2` multiplies by, repeated for each channel.
        variance_weight: Likewise for `variance_l2`.
        sizes: Number of channels of each layer, shape `(layers,)`.

    Example:

    >>> layers = [Statistics(np.zeros(n), np.ones(n), epsilon=1e-3) for n in (2, 3)]
    >>> reference = Reference.of(layers)
    >>> reference.sizes.tolist(), reference.mean.shape
    ([2, 3], (5,))
    """

    mean: Any
    variance: Any
    epsilon: Any
    spread: Any
    root_spread: Any
    mean_weight: Any
    variance_weight: Any
    sizes: np.ndarray

    @classmethod
    def of(cls, layers: Iterable[Statistics]) -> "Reference":
        """The reference made of the layers' statistics, in float64."""
        layers = list(layers)
        if not layers:
            raise fail("layers", "to have at least one element", layers)
        sizes = np.array([len(layer.mean) for layer in layers])
        mean_weight = [1 / np.sqrt(np.mean(layer.mean**2) + layer.epsilon) for layer in layers]
        variance_weight = [1 / (np.sqrt(np.mean(layer.variance**2)) + layer.epsilon) for layer in layers]
        mean = np.concatenate([layer.mean for layer in layers])
        variance = np.concatenate([layer.variance for layer in layers])
        epsilon = np.repeat([layer.epsilon for layer in layers], sizes)
        spread = 1 / (variance + epsilon)
        weights = np.repeat(mean_weight, sizes), np.repeat(variance_weight, sizes)
        return cls(mean, variance, epsilon, spread, np.sqrt(spread), *weights, sizes)

    def packed(self) -> np.ndarray:
        """All attributes but `sizes`, one per row, in float32: shape `(7, all channels)`."""
        return np.stack([getattr(self, name) for name in _by_channel()]).astype(np.float32)

    @classmethod
    def unpacked(cls, rows: Iterable[Any], sizes: np.ndarray) -> "Reference":
        """The inverse of `packed`, from arrays or tensors."""
        return cls(**dict(zip(_by_channel(), rows, strict=True)), sizes=sizes)

    def segment_mean(self, terms: np.ndarray) -> np.ndarray:
        """Means over each layer's channels: shape `(..., all channels, k)` to `(..., layers, k)`."""
        starts = np.cumsum(self.sizes) - self.sizes
        return np.add.reduceat(terms, starts, axis=-2) / self.sizes[:, None]


def _by_channel() -> list[str]:
    return [field.name for field in dataclasses.fields(Reference) if field.name != "sizes"]


def by_layer(
    mean: Any,
    variance: Any,
    reference: Reference,
    segment_mean: Callable[[Any], Any] | None = None,
    xp: Any = np,
) -> Any:
    """All metrics of all layers at once.

    Args:
        mean: Current means, shape `(all channels,)`; in numpy also `(steps, all channels)`.
        variance: Current variances, likewise.
        reference: Where they are measured from.
        segment_mean: Maps `(all channels, k)` to means over layers `(layers, k)`.
            `None`: the reference's own, in numpy.
        xp: The array functions: `numpy`, or `keras.ops` inside a train step.

    Returns:
        Shape `(layers, len(METRICS))`, in the order of `METRICS`; with several steps, one more axis.

    Example:

    >>> reference = Reference.of([Statistics(np.zeros(2), np.ones(2), 1e-3)])
    >>> by_layer(np.zeros(2), np.ones(2), reference).tolist()
    [[0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    segment_mean = segment_mean or reference.segment_mean
    mean_step = mean - reference.mean
    variance_step = variance - reference.variance
    shift = xp.square(mean_step * reference.root_spread)
    growth = variance_step * reference.spread  # r - 1
    log_ratio = _log_ratio(growth, (variance + reference.epsilon) * reference.spread, xp)
    terms = [
        shift,
        xp.abs(log_ratio),
        0.5 * (shift + growth - log_ratio),
        xp.square(mean_step * reference.mean_weight),
        xp.square(variance_step * reference.variance_weight),
    ]
    means = segment_mean(xp.stack(terms, axis=-1))
    rooted = np.array([True, False, False, True, True])
    # Rounding may leave a divergence of -1e-9, which is 0.
    means = xp.maximum(means, 0.0)
    return xp.where(rooted, xp.sqrt(means), means)


def distances(current: Statistics, reference: Statistics) -> dict[str, float]:
    """The metrics of one layer.

    Args:
        current: Statistics of the layer now.
        reference: What they are measured from; its epsilon is used.

    Returns:
        A value for each of `METRICS`; units in `UNITS`.

    Raises:
        ValueError: The two have different numbers of channels.

    Example:

    >>> zero_one = Statistics(np.zeros(2), np.ones(2), epsilon=0.0)
    >>> moved = Statistics(np.array([1.0, -1.0]), np.ones(2), epsilon=0.0)
    >>> distances(moved, zero_one)["mean_shift"], distances(moved, zero_one)["kl"]
    (1.0, 0.5)
    """
    if current.mean.shape != reference.mean.shape:
        raise fail(
            "current",
            f"to have {counted(len(reference.mean), 'channel')}, as the reference",
            len(current.mean),
        )
    values = between([current], [reference])[0]
    return {name: float(value) for name, value in zip(METRICS, values, strict=True)}


def between(current: Iterable[Statistics], reference: Iterable[Statistics]) -> np.ndarray:
    """All metrics of several layers in float64: shape `(layers, len(METRICS))`.

    Raises:
        ValueError: There are no layers, or the two have different numbers of layers or channels.

    Example:

    >>> before, after = (Statistics(np.full(2, mean), np.ones(2), epsilon=0.0) for mean in (0.0, 3.0))
    >>> between([after], [before])[0, METRICS.index("mean_shift")].item()
    3.0
    """
    current, reference = list(current), list(reference)
    now, before = ([len(layer.mean) for layer in layers] for layers in (current, reference))
    if not now or now != before:
        raise fail("current", f"to have at least one layer, with the reference's channels {before}", now)
    mean = np.concatenate([layer.mean for layer in current])
    variance = np.concatenate([layer.variance for layer in current])
    # The branch of `_log_ratio` that is not taken may be log(0).
    with np.errstate(divide="ignore", invalid="ignore"):
        return by_layer(mean, variance, Reference.of(reference))


def of_snapshots(current: Mapping[str, Statistics], reference: Snapshot) -> dict[str, dict[str, float]]:
    """The metrics of every layer of one snapshot against another.

    Args:
        current: A snapshot, as returned by `tfbn.statistics.take`.
        reference: A snapshot of the same layers.

    Returns:
        `{path: {metric: value}}`.

    Raises:
        ValueError: The snapshots hold different layers.

    Example:

    >>> from tfbn.statistics.snapshots import take
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(name="bn")])
    >>> before = take(model)
    >>> of_snapshots(take(model), before)["bn"]["kl"]
    0.0
    """
    if list(current) != list(reference):
        raise fail("current", f"to have the reference's layers {list(reference)}", list(current))
    return {path: distances(current[path], reference[path]) for path in reference}


def _log_ratio(growth: Any, ratio: Any, xp: Any) -> Any:
    """log(ratio) = log(1 + growth), exact for small steps and finite for dead channels."""
    return xp.where(xp.abs(growth) < 0.5, xp.log1p(growth), xp.log(ratio))
