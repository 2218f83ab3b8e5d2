"""tfbn: BatchNormalization with `training` apart from `trainable`, and what follows from it."""

from tfbn import layers

__all__ = ["layers"]
