"""A recorder's probe of a frozen network, which computes constant parts once."""

from typing import Any

import keras
import numpy as np

from tfbn.statistics import drift, snapshots
from tfbn.statistics.mismatch import METRICS
from tfbn.statistics.two_modes import Performance

from .frozen_network import FrozenNetwork

_COLUMNS = [drift.METRICS.index("kl"), drift.METRICS.index("mean_shift")]


class FrozenProbe:
    """Measures the same as `tfbn.statistics.mismatch.Probe`, for a frozen network.

    Args:
        network: The network, set up for the arm.
        images: One batch.
        by_batch: Whether `fit` normalizes by the batch. Then the batch's statistics are the same
            in every step; otherwise the mismatch is 0.

    Attributes:
        outputs: The model's outputs in training mode at the last measurement.
    """

    def __init__(self, network: FrozenNetwork, images: np.ndarray, by_batch: bool):
        self._network, self._images = network, images
        self._row: np.ndarray | None = None
        self._features = np.zeros(0)
        self.outputs: Any = None
        self._batch: Any = None
        if by_batch:
            now = network.statistics
            self._in_fit, network.statistics = network.by_batch.by_batch(images)
            self._batch = snapshots.take(network.model)
            network.statistics = now

    def look_at(self, inputs: Any) -> None:
        """The recorder passes its probe again, which is the same batch."""

    def measure(self) -> np.ndarray:
        """Like `Probe.measure`: shape `(layers, 2)`."""
        if self._batch is None:
            self.outputs = self.in_inference()
            return np.zeros((len(snapshots.take(self._network.model)), len(METRICS)))
        self.outputs = _tensor(self._network.logits(self._in_fit))
        moving = snapshots.take(self._network.model)
        return drift.between(self._batch.values(), moving.values())[:, _COLUMNS]

    def in_inference(self) -> Any:
        """The model's outputs for the batch in inference mode, as a tensor."""
        row = self._network.statistics
        if self._row is None or (row != self._row).any():
            self._row, self._features = row, self._network.features(self._images)
        return _tensor(self._network.logits(self._features))


class FrozenPerformance(Performance):
    """Loss and metrics in both modes, see `Performance`; the outputs come from the probe.

    Args:
        model: The whole model, compiled.
        images: The probe's images.
        labels: Their labels.
        probe: The probe that has the outputs.
    """

    def __init__(self, model: Any, images: np.ndarray, labels: np.ndarray, probe: FrozenProbe):
        super().__init__(model, images, labels)
        self._run = lambda inputs: probe.in_inference()


def _tensor(x: np.ndarray) -> Any:
    return keras.ops.convert_to_tensor(x)
