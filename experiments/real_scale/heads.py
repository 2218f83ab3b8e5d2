"""Heads on cached features, trained briefly with Adam, as in `fit`.

Training runs in NumPy: for matrices this small, `fit` would spend a hundred times as long on function
calls as on the products. A test compares the two.
"""

import dataclasses

import numpy as np

BETAS, EPSILON = (0.9, 0.999), 1e-7  # of Adam, as in Keras


@dataclasses.dataclass
class Head:
    """A dense layer from features to logits.

    Attributes:
        kernel: Shape `(features, classes)`.
        bias: Shape `(classes,)`.
        fit_accuracy: Accuracy on the last round of batches, each measured before its update.
    """

    kernel: np.ndarray
    bias: np.ndarray
    fit_accuracy: float = float("nan")

    def logits(self, features: np.ndarray) -> np.ndarray:
        return features @ self.kernel + self.bias

    def accuracy(self, features: np.ndarray, labels: np.ndarray) -> float:
        """Share of the images that it classifies correctly."""
        return float((self.logits(features).argmax(-1) == labels).mean())


def first(features: int, classes: int, seed: int) -> Head:
    """The initial head, the same for all arms of a seed: a Glorot uniform kernel and a zero bias."""
    limit = np.sqrt(6 / (features + classes))
    kernel = np.random.default_rng([seed, 2]).uniform(-limit, limit, (features, classes))
    return Head(kernel.astype(np.float32), np.zeros(classes, np.float32))


def short(head: Head, batches: list[np.ndarray], labels: list[np.ndarray], rate: float, steps: int) -> Head:
    """Trains a head with Adam for a number of steps, with the batches used in turn.

    Args:
        head: The initial head, which is not changed.
        batches: Features, one array per batch.
        labels: Their labels.
        rate: Learning rate.
        steps: Number of steps.

    Example:

    >>> x, y = [np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)], [np.array([0, 1])]
    >>> short(first(2, 2, seed=0), x, y, rate=0.1, steps=50).accuracy(x[0], y[0])
    1.0
    """
    weights = [head.kernel.copy(), head.bias.copy()]
    means, squares = ([np.zeros_like(w) for w in weights] for _ in range(2))
    right = []
    for step in range(1, steps + 1):
        x, y = batches[(step - 1) % len(batches)], labels[(step - 1) % len(batches)]
        logits = x @ weights[0] + weights[1]
        right.append(float((logits.argmax(-1) == y).mean()))
        error = _softmax(logits)
        error[np.arange(len(y)), y] -= 1
        error /= len(y)
        pace = rate * np.sqrt(1 - BETAS[1] ** step) / (1 - BETAS[0] ** step)
        for i, gradient in enumerate((x.T @ error, error.sum(0))):
            means[i] += (1 - BETAS[0]) * (gradient - means[i])
            squares[i] += (1 - BETAS[1]) * (gradient**2 - squares[i])
            weights[i] -= np.float32(pace) * means[i] / (np.sqrt(squares[i]) + EPSILON)
    return Head(weights[0], weights[1], fit_accuracy=float(np.mean(right[-len(batches) :])))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
