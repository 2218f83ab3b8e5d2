"""Batch normalization in float64 numpy, written from the formula and apart from tfbn."""

import dataclasses

import numpy as np


@dataclasses.dataclass
class Oracle:
    """The state of one layer; `train` does what one training step should do to it."""

    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    momentum: float
    epsilon: float

    def __post_init__(self):
        for name in ("gamma", "beta", "mean", "variance"):
            setattr(self, name, np.array(getattr(self, name), np.float64))

    def normalize(self, x, mean, variance):
        return (x - mean) / np.sqrt(variance + self.epsilon)

    def infer(self, x):
        return self.gamma * self.normalize(np.float64(x), self.mean, self.variance) + self.beta

    def train(self, x, upstream, by_batch, update):
        """One use in a training call.

        `upstream` is the loss's gradient by the output. Returns the output and the
        loss's gradients by gamma and beta.
        """
        x, upstream = np.float64(x), np.float64(upstream)
        axes = tuple(range(x.ndim - 1))
        mean = x.mean(axes)
        variance = ((x - mean) ** 2).mean(axes)
        used = (mean, variance) if by_batch else (self.mean, self.variance)
        normalized = self.normalize(x, *used)
        output = self.gamma * normalized + self.beta
        if update:
            self.mean = self.momentum * self.mean + (1 - self.momentum) * mean
            self.variance = self.momentum * self.variance + (1 - self.momentum) * variance
        return output, (upstream * normalized).sum(axes), upstream.sum(axes)
