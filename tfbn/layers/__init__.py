"""Layers: `BatchNormalization` with `training` separate from `trainable`."""

import keras  # noqa: F401  whole, before a module that needs it is half loaded

from tfbn.layers.batch_normalization import BatchNormalization

__all__ = ["BatchNormalization"]
