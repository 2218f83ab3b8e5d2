"""Evaluates a trained model in both modes, and measures changes of its BatchNorm."""

import hashlib
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np

from tfbn.callbacks import read_drift
from tfbn.graph.traversal import batch_normalizations

from .both_modes import HEAD, Outputs, both_modes
from .data import Split

__all__ = ["HEAD", "both_modes"]

FITS = 64  # converged heads that a process remembers
_converged: dict[Any, Any] = {}


def accuracies(
    model: Any, split: Split, batch_size: int, fit_by_batch: bool, known: Hashable = None
) -> dict[str, float]:
    """Accuracies of a trained model in both modes, and of a converged head.

    The converged head is a logistic regression trained to convergence on the features
    of `fit` and tested on those of `predict`.

    Args:
        model: With a layer named "head" at its end.
        split: The images.
        batch_size: Images in a batch, over which batch statistics are taken.
        fit_by_batch: Whether `fit` normalizes by the batch.
        known: See `both_modes`.
    """
    inference, batch = both_modes(model, split, batch_size, known)
    return of_outputs(inference, batch, split, fit_by_batch)


def of_outputs(inference: Outputs, batch: Outputs, split: Split, fit_by_batch: bool) -> dict[str, float]:
    """The result of `accuracies`, from outputs of the model.

    Args:
        inference: (features, logits) of the training images and of the test images in inference mode.
        batch: Likewise, under batch statistics.
        split: The images' labels.
        fit_by_batch: Whether `fit` normalizes by the batch.
    """
    fit_sees = batch if fit_by_batch else inference
    return {
        "train_accuracy": accuracy(inference[0][1], split.train_y),
        "test_accuracy": accuracy(inference[1][1], split.test_y),
        "train_accuracy_batch": accuracy(batch[0][1], split.train_y),
        "test_accuracy_batch": accuracy(batch[1][1], split.test_y),
        "converged_accuracy": converged_head(fit_sees[0][0], split.train_y, inference[1][0], split.test_y),
    }


def converged_head(train_x: Any, train_y: Any, test_x: Any, test_y: Any) -> float:
    """Test accuracy of logistic regression on standardized features, trained to convergence."""
    return float(right_when_converged(train_x, train_y, test_x, test_y).mean())


def right_when_converged(train_x: Any, train_y: Any, test_x: Any, test_y: Any) -> Any:
    """Whether that head is right, per test image."""
    return converged(train_x, train_y).predict(test_x) == test_y


def converged(features: Any, labels: Any) -> Any:
    """Logistic regression on standardized features, trained to convergence.

    Fits are remembered: arms that show the head the same features share one. Use it to predict only.
    """
    key = (_digest(features), _digest(labels))
    if key not in _converged:
        while len(_converged) >= FITS:
            del _converged[next(iter(_converged))]
        _converged[key] = _fitted(features, labels)
    return _converged[key]


def _digest(values: Any) -> tuple[Any, ...]:
    values = np.ascontiguousarray(values)
    return values.shape, values.dtype.str, hashlib.blake2b(values).digest()


def _fitted(features: Any, labels: Any) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(features, labels)


def statistics_and_affine(model: Any) -> dict[str, list[Any]]:
    """Copies of every BatchNorm's moving statistics, and of its gamma and beta."""
    layers = [named.layer for named in batch_normalizations(model)]
    return {
        "statistics": [v.numpy().copy() for bn in layers for v in bn.non_trainable_weights[-2:]],
        "affine": [v.numpy().copy() for bn in layers for v in (bn.gamma, bn.beta) if v is not None],
    }


def moved(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> dict[str, float]:
    """The largest absolute change of each kind: exactly 0 if not a single bit changed."""
    return {
        f"{kind}_moved": max(float(abs(b - a).max()) for b, a in zip(before[kind], after[kind], strict=True))
        for kind in before
    }


def last_drift(folder: Path) -> dict[str, float]:
    """The largest drift over layers at the end of a run, and the largest mismatch then."""
    drift = read_drift(folder)
    last = drift[drift.step == drift.step.max()]
    return {
        "mean_shift": float(last.mean_shift.max()),
        "mismatch": float(drift.dropna(subset="mismatch").groupby("step").mismatch.max().iloc[-1]),
    }


def accuracy(logits: Any, labels: Any) -> float:
    return float((logits.argmax(-1) == labels).mean())
