"""The checks that compare training with an evaluation."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tfbn.diagnosis import null
from tfbn.diagnosis.batch_measurements import (
    FIRST_MEAN,
    FIRST_VARIANCE,
    LEAST,
    SECOND_MEAN,
    SECOND_VARIANCE,
    Looks,
    Use,
    by_channels,
)
from tfbn.diagnosis.differences import in_order
from tfbn.diagnosis.finding import Finding, fault
from tfbn.diagnosis.lag_checks import exceeding_lag, lagging_finding, mismatch

OTHER_RANGE = 1.0  # nats between the pixels of validation and of training
BEYOND = 10.0  # times the differences among batches of the training data
GAP = 0.3  # of accuracy
EXPLAINED = 0.25  # variances between batches and moving statistics that can explain a gap


def other_range(looks: Looks, inputs: np.ndarray) -> Iterator[Finding]:
    """Checks that validation data have the pixel range of training data.

    `KL(N(m, v) || N(m0, v0))` by channel, of the validation data from the training data; its null
    distribution is that of the single training batches.

    Args:
        looks: Steps of the training.
        inputs: The moments of the validation batches, as `Looks.inputs`.
    """
    if looks.inputs is None or inputs.shape[-1] != looks.inputs.shape[-1] or len(looks.steps) < 2:
        return
    training, validation = _moments(looks.inputs), _moments(inputs)
    pooled = _pooled(training)
    distance = float(np.mean(_divergence(_pooled(validation), pooled)))
    usual = float(np.max(np.mean(_divergence(training, pooled), axis=-1)))
    if distance > OTHER_RANGE and distance > BEYOND * usual:
        (mean, variance), (other_mean, other_variance) = pooled, _pooled(validation)
        yield fault(
            "validation-range",
            (),
            f"validation inputs with mean {other_mean.mean():.3g} and standard deviation "
            f"{np.sqrt(other_variance.mean()):.3g}",
            f"as in training: mean {mean.mean():.3g}, standard deviation {np.sqrt(variance.mean()):.3g}",
            "Validation data are not preprocessed like training data, while the moving statistics are "
            "those of the training data.",
            "validation = validation.map(preprocess)  # as for the training data",
        )


def training_in_evaluate(paths: Iterable[str]) -> Iterator[Finding]:
    """The test step itself calls layers with `training=True`."""
    paths = tuple(sorted(paths))
    if paths:
        yield fault(
            "training-in-evaluate",
            paths,
            "the test step calls it with training=True",
            "inference mode in evaluate and predict",
            "evaluate normalizes by the batch and moves the statistics by validation data.",
            "model(x, training=False)  # in test_step",
        )


def bad_evaluation(looks: Looks | None, logs: Mapping[str, Any], named: Iterable[str]) -> Iterator[Finding]:
    """Checks whether evaluation is far worse than training, and whether lagging statistics explain it.

    Args:
        looks: Steps of the training.
        logs: The metrics at the end of the epoch.
        named: Names of known faults, which may explain it.
    """
    gap = _gap(logs)
    if gap is None or looks is None or len(looks.steps) < LEAST:
        return
    latest = looks.last(LEAST)
    behind: dict[Use, null.Excess] = {}
    largest = 0.0
    for uses in by_channels(group[-1] for group in latest.by_layer()):
        differences = mismatch(latest, uses)
        behind |= exceeding_lag(uses, differences)
        largest = max(largest, *(max(pair, key=_surely).effect for pair in differences))
    yield from lagging_finding(in_order(behind))
    if set(named) <= HARMLESS and largest < EXPLAINED:
        yield fault(
            "not-batch-normalization",
            (),
            gap,
            "about the same in training and in evaluation",
            "The batches' statistics and the moving ones agree, so normalization does not explain it: "
            "overfitting, other data, or other labels do.",
            "model.evaluate(x_train, y_train)  # as bad on the training data?",
        )


def _surely(difference: null.Excess) -> float:
    return difference.significant(null.HALF_SURE)


# Faults that do not make evaluation worse than training.
HARMLESS = {"gradient-accumulation", "small-last-batch"}


def _gap(logs: Mapping[str, Any]) -> str | None:
    for name, value in logs.items():
        other = logs.get(f"val_{name}")
        if other is None or np.ndim(value) or np.ndim(other):
            continue
        value, other = float(value), float(other)
        if "acc" in name and value - other > GAP:
            return f"{name} {value:.2f} in training, {other:.2f} in evaluation"
    return None


def _moments(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Moments of each batch: shape `(batches, channels)`."""
    halves = inputs[:, 0].astype(np.float64)
    mean = (halves[:, FIRST_MEAN] + halves[:, SECOND_MEAN]) / 2
    between = ((halves[:, FIRST_MEAN] - halves[:, SECOND_MEAN]) / 2) ** 2
    return mean, (halves[:, FIRST_VARIANCE] + halves[:, SECOND_VARIANCE]) / 2 + between


def _pooled(moments: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = moments
    finite = np.isfinite(mean).all(1) & np.isfinite(variance).all(1)
    mean, variance = mean[finite], variance[finite]
    return mean.mean(0), variance.mean(0) + mean.var(0)


def _divergence(moments: Any, reference: Any) -> np.ndarray:
    (mean, variance), (mean_0, variance_0) = moments, reference
    small = 1e-6 * np.mean(variance_0) + 1e-12
    ratio = (variance + small) / (variance_0 + small)
    return ((mean - mean_0) ** 2 / (variance_0 + small) + ratio - 1 - np.log(ratio)) / 2
