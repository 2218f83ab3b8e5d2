"""Recording drift without tfbn."""

from typing import Any

import keras
import numpy as np


class NumpyRecorder(keras.callbacks.Callback):
    """Reads every layer's moving statistics after each batch and computes five metrics of drift."""

    def on_train_begin(self, logs: Any = None) -> None:
        layers = self.model._flatten_layers()
        self.layers = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
        self.reference = [self._statistics(layer) for layer in self.layers]
        self.rows: list[list[tuple[Any, ...]]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pairs = zip(self.layers, self.reference, strict=True)
        self.rows.append([self._drift(*self._statistics(layer), *before) for layer, before in pairs])

    def _statistics(self, layer: Any) -> tuple[Any, Any]:
        variance = np.float64(layer.moving_variance.numpy()) + layer.epsilon
        return np.float64(layer.moving_mean.numpy()), variance

    def _drift(self, mean: Any, variance: Any, old_mean: Any, old_variance: Any) -> tuple[Any, ...]:
        shift = np.abs(mean - old_mean) / np.sqrt(old_variance)
        ratio = np.log(variance / old_variance)
        divergence = 0.5 * (np.exp(ratio) + shift**2 - 1 - ratio)
        of_mean = np.linalg.norm(mean - old_mean) / np.linalg.norm(old_mean + 1e-12)
        of_variance = np.linalg.norm(variance - old_variance) / np.linalg.norm(old_variance)
        return (
            float(shift.mean()),
            float(np.abs(ratio).mean()),
            float(divergence.mean()),
            of_mean,
            of_variance,
        )
