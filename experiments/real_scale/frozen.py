"""One seed of the frozen arms: every forward pass once, then heads on its features.

The network is frozen, so a batch gives the same features at every step, and the moving statistics
follow from the batches' own. One pass through the batches therefore serves the arms of every
momentum, and the arm whose statistics are held.
"""

import collections
import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfbn.datasets import Images

from ..training import evaluation, head_fit
from ..training.extractor import Extractor
from . import draws, heads, targets
from .arms import BLENDS, BY_BATCH, FROZEN, MOMENTA, RATES, SOURCE, TARGET, Arm
from .conditions import Condition

ORDERS = 4  # orders of the training images, used in turn


@dataclasses.dataclass(frozen=True)
class Part:
    """Features of images and their labels."""

    features: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass
class Features:
    """The results of the forward passes of a seed.

    Attributes:
        batches: By set of features, the batches that the head is trained on.
        labels: Of the batches.
        train: By set of statistics.
        validation: By set of statistics.
        test: By set of statistics.
        first_order: Number of batches that contain every training image once.
        classes: How many there are.
    """

    batches: dict[str, list[np.ndarray]]
    labels: list[np.ndarray]
    train: dict[str, Part]
    validation: dict[str, Part]
    test: dict[str, Part]
    first_order: int
    classes: int


def run(condition: Condition, seed: int, images: Images, extractor: Extractor) -> list[dict[str, Any]]:
    """Measures every frozen arm; returns one row for each.

    Accuracies are shares of images, in inference mode but for `fit_accuracy`:
    `validation_accuracy` and `test_accuracy` of the head after the short training at the
    rate that validation chose; `converged_accuracy`, of a converged head on the features
    that `fit` saw, tested on those of inference; `refitted_accuracy`, of one fitted on
    inference features too.
    """
    features = extracted(condition, seed, images, extractor)
    untrained = heads.first(features.batches[BY_BATCH][0].shape[1], features.classes, seed)
    short = {
        (kind, rate): heads.short(untrained, batches, features.labels, rate, condition.steps)
        for kind, batches in features.batches.items()
        for rate in RATES
    }
    converged = {kind: _converged_in_fit(features, kind) for kind in features.batches}
    refitted = {
        name: evaluation.converged(part.features, part.labels) for name, part in features.train.items()
    }
    rows = []
    for arm in FROZEN.values():
        row = _chosen(arm, features, short)
        test = features.test[arm.judged_by]
        row["converged_accuracy"] = float(converged[arm.fits_on].score(test.features, test.labels))
        row["refitted_accuracy"] = float(refitted[arm.judged_by].score(test.features, test.labels))
        rows.append({"setting": arm.name, **row, "test_images": len(test.labels)})
    return rows


def extracted(condition: Condition, seed: int, images: Images, extractor: Extractor) -> Features:
    """Runs every forward pass of a seed."""
    x, y = targets.of_seed(condition, images, seed)
    source = extractor.source
    taken = draws.batches(condition.train, condition.batch, ORDERS, seed)
    by_batch, seen = zip(*(extractor.by_batch(x["train"][indices]) for indices in taken), strict=True)
    target = extractor.of_target(x["train"])
    sets = {SOURCE: source, TARGET: target}
    sets |= {name: (1 - share) * source + share * target for name, share in BLENDS.items()}
    sets |= {f"moving_{m:g}": moved(source, seen, condition.steps, m) for m in MOMENTA}
    parts: dict[str, dict[str, Part]] = {name: {} for name in x}
    for kind, row in sets.items():
        for name, part in x.items():
            parts[name][kind] = Part(extractor.infer(part, row), y[name])
    fits_on = {arm.fits_on for arm in FROZEN.values()} - {BY_BATCH}
    batches = {kind: [parts["train"][kind].features[i] for i in taken] for kind in sorted(fits_on)}
    batches[BY_BATCH] = list(by_batch)
    labels = [y["train"][indices] for indices in taken]
    first = len(taken) // ORDERS
    return Features(batches, labels, **parts, first_order=first, classes=len(images.class_names))


def moved(source: np.ndarray, seen: Sequence[np.ndarray], steps: int, momentum: float) -> np.ndarray:
    """The moving statistics after a number of steps, with the batches used in turn.

    Example:

    >>> moved(np.array([0.0]), [np.array([4.0]), np.array([8.0])], steps=3, momentum=0.5).tolist()
    [4.5]
    """
    in_turn = itertools.islice(itertools.cycle(seen), steps)
    return collections.deque(head_fit.moving(source, in_turn, momentum), maxlen=1).pop()


def _converged_in_fit(features: Features, kind: str) -> Any:
    """A converged head on features as `fit` saw them: those of the first order of the images."""
    first = slice(features.first_order)
    return evaluation.converged(
        np.concatenate(features.batches[kind][first]), np.concatenate(features.labels[first])
    )


def _chosen(arm: Arm, features: Features, short: dict[Any, heads.Head]) -> dict[str, float]:
    by_rate = {rate: short[arm.fits_on, rate] for rate in RATES}
    return chosen(by_rate, features.validation[arm.judged_by], features.test[arm.judged_by])


def chosen(by_rate: dict[float, heads.Head], validation: Part, test: Part) -> dict[str, float]:
    """The head at the rate that does best on validation images; among equal ones, the smallest rate."""
    scores = {rate: head.accuracy(validation.features, validation.labels) for rate, head in by_rate.items()}
    rate = max(by_rate, key=lambda each: (scores[each], -each))
    return {
        "learning_rate": rate,
        "fit_accuracy": by_rate[rate].fit_accuracy,
        "validation_accuracy": scores[rate],
        "test_accuracy": by_rate[rate].accuracy(test.features, test.labels),
    }
