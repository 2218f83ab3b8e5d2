"""Measurements of the batches of some train steps, as plain arrays, and their moments."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tfbn.graph.traversal import NamedLayer

LEAST = 8  # looks; fewer are not enough to tell a fault
# Rows of `Looks.values`.
FIRST_MEAN, FIRST_VARIANCE, SECOND_MEAN, SECOND_VARIANCE, MOVING_MEAN, MOVING_VARIANCE = range(6)


@dataclasses.dataclass(frozen=True, eq=False)
class Use:
    """One call of a layer in the train step.

    Attributes:
        named: The layer and its path.
        normalizes_by_batch: Whether it normalizes by the batch.
        updates: Whether it moves the moving statistics.
        channels: How many of the layer's channels are measured.
        positions: Values per channel and example, H*W; None if unknown.
        place: Its row in `Looks.values`; None if it is not measured, as inside an inner graph.
    """

    named: NamedLayer
    normalizes_by_batch: bool
    updates: bool
    channels: int
    positions: int | None
    place: int | None

    @property
    def path(self) -> str:
        return self.named.path


@dataclasses.dataclass(frozen=True)
class Halves:
    """The moments of the two halves of each batch, shape `(looks, layers, channels)`.

    The difference between the two halves of a batch estimates the sampling error of the batch's
    moments for the number of values that are really independent: neighboring pixels are not.

    Attributes:
        first: Mean and variance of the first half.
        second: Of the second half.
        share: Of the first half in the batch, shape `(looks, 1, 1)`.
        epsilon: Added to variances, shape `(layers, 1)`.

    Example:

    >>> one = np.ones((3, 1, 2))
    >>> halves = Halves((0 * one, one), (2 * one, one), np.full((3, 1, 1), 0.5), np.zeros((1, 1)))
    >>> halves.mean[0].tolist(), halves.variance[0].tolist()
    ([[1.0, 1.0]], [[2.0, 2.0]])
    """

    first: tuple[np.ndarray, np.ndarray]
    second: tuple[np.ndarray, np.ndarray]
    share: np.ndarray
    epsilon: np.ndarray

    @functools.cached_property
    def mean(self) -> np.ndarray:
        """Of the whole batch."""
        return self.share * self.first[0] + (1 - self.share) * self.second[0]

    @functools.cached_property
    def variance(self) -> np.ndarray:
        """Of the whole batch, with epsilon: the law of total variance."""
        within = self.share * self.first[1] + (1 - self.share) * self.second[1]
        return within + self._weight * (self.first[0] - self.second[0]) ** 2 + self.epsilon

    @functools.cached_property
    def log_variance(self) -> np.ndarray:
        return np.log(self.variance)

    @property
    def shift(self) -> np.ndarray:
        """From the second half to the first, in standard deviations of the batch."""
        return (self.first[0] - self.second[0]) / np.sqrt(self.variance)

    @property
    def log_ratio(self) -> np.ndarray:
        """Of the halves' variances."""
        return np.log(self.first[1] + self.epsilon) - np.log(self.second[1] + self.epsilon)

    @property
    def mean_noise(self) -> np.ndarray:
        """Estimates of the squared error of the batch's mean, in variances: `1 / N`, N independent values.

        `E (m1 - m2)^2 = s^2 (1 / n1 + 1 / n2)`, and the batch's mean is off by `s^2 / (n1 + n2)`.
        """
        return self._weight * self.shift**2

    @property
    def log_variance_noise(self) -> np.ndarray:
        """The same for the logarithm of the batch's variance."""
        return self._weight * self.log_ratio**2

    @property
    def _weight(self) -> np.ndarray:
        return self.share * (1 - self.share)


@dataclasses.dataclass(frozen=True)
class Looks:
    """Some steps of a training run, the latest last.

    Attributes:
        steps: Which, shape `(looks,)`.
        examples: In their batches.
        fewest: Examples in the smallest batch of all steps.
        uses: The calls of layers in a step.
        values: Shape `(looks, measured uses, 6, channels)`.
        inputs: The same of the model's input, by halves and by odd and even examples: shape
            `(looks, 2, 4, channels)`; None if it is no dense tensor.
        labels: How often each class occurs, by remainder: shape `(looks, classes)`; None if the
            targets are no classes.
        passes: Calls of the whole model in a step.
        classes: How many the network tells apart; None if not known.
    """

    steps: np.ndarray
    examples: np.ndarray
    fewest: int
    uses: tuple[Use, ...]
    values: np.ndarray
    inputs: np.ndarray | None
    labels: np.ndarray | None
    passes: int
    classes: int | None = None

    def halves(self, *uses: Use) -> Halves:
        """The batch's moments at uses that are measured, with equal numbers of channels."""
        return self._halves(self._of(uses), _of_layers(uses, "epsilon"))

    def moving(self, *uses: Use) -> tuple[np.ndarray, np.ndarray]:
        """The moving mean, and the moving variance with epsilon, just before each step, likewise."""
        values = self._of(uses)
        return values[:, :, MOVING_MEAN], values[:, :, MOVING_VARIANCE] + _of_layers(uses, "epsilon")

    def input_halves(self, by: int) -> Halves:
        """The moments of the model's input in the batch's halves (0), or its even and odd examples (1).

        The input counts as one layer.
        """
        assert self.inputs is not None
        return self._halves(self.inputs[:, by : by + 1].astype(np.float64), np.full((1, 1), 1e-6))

    def by_layer(self) -> Iterator[list[Use]]:
        """The measured uses of each layer in which the batch normalizes, in the order of the calls."""
        found: dict[str, list[Use]] = {}
        for use in self.uses:
            if use.place is not None and use.normalizes_by_batch:
                found.setdefault(use.path, []).append(use)
        yield from found.values()

    def without_start(self, uses: Sequence[Use], later: "Looks") -> tuple[np.ndarray, np.ndarray]:
        """The moving statistics at later looks without what they started from here.

        Args:
            uses: Each the only call of a layer in a step, with equal numbers of channels.
            later: Some of these looks, not the first.
        """
        weight = _of_layers(uses, "momentum") ** (later.steps - self.steps[0])[:, None, None]
        rest = np.maximum(1 - weight, 1e-9)
        start = self.first(1).moving(*uses)
        mean, variance = (
            (now - weight * then) / rest for now, then in zip(later.moving(*uses), start, strict=True)
        )
        return mean, np.maximum(variance, _of_layers(uses, "epsilon"))

    def first(self, number: int) -> "Looks":
        """The earliest of them."""
        return self._cut(slice(number))

    def last(self, number: int) -> "Looks":
        """The latest of them."""
        return self._cut(slice(-number, None))

    def _cut(self, part: slice) -> "Looks":
        names = ("steps", "examples", "values", "inputs", "labels")
        cut: Any = {n: None if getattr(self, n) is None else getattr(self, n)[part] for n in names}
        return dataclasses.replace(self, **cut)

    def _of(self, uses: Sequence[Use]) -> np.ndarray:
        places, channels = np.array([use.place for use in uses]), uses[0].channels
        return self.values[:, places, :, :channels].astype(np.float64)

    def _halves(self, values: np.ndarray, epsilon: np.ndarray) -> Halves:
        share = (self.examples // 2 / np.maximum(self.examples, 1))[:, None, None]
        first = values[:, :, FIRST_MEAN], values[:, :, FIRST_VARIANCE]
        return Halves(first, (values[:, :, SECOND_MEAN], values[:, :, SECOND_VARIANCE]), share, epsilon)


def by_channels(uses: Iterable[Use]) -> list[list[Use]]:
    """Groups of uses with equal numbers of channels, whose moments fit into one array."""
    found: dict[int, list[Use]] = {}
    for use in uses:
        found.setdefault(use.channels, []).append(use)
    return list(found.values())


def _of_layers(uses: Sequence[Use], name: str) -> np.ndarray:
    return np.array([[float(getattr(use.named.layer, name))] for use in uses])
