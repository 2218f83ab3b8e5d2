"""Layers: `BatchNormalization` with `training` apart from `trainable`."""

from tfbn.layers.batch_normalization import BatchNormalization

__all__ = ["BatchNormalization"]
