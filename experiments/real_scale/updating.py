"""One seed of the arms whose frozen network normalizes by moving statistics that its batches update.

The head does not affect the network below it, so one pass through the batches of all steps gives its
inputs at each step, for every learning rate. Each momentum needs a separate pass.
"""

from typing import Any

import numpy as np

from tfbn.datasets import Images

from ..training import evaluation
from ..training.extractor import Follower
from . import draws, frozen, heads, targets
from .arms import RATES, UPDATING_MOMENTA
from .conditions import Condition


def run(condition: Condition, seed: int, images: Images, follower: Follower) -> list[dict[str, Any]]:
    """Measures the arms; returns one row for each, with the same accuracies as `frozen.run`.

    The images, the batches and the initial head are those of the other frozen arms, so that
    differences are paired. In inference each arm uses its final statistics. The converged head on
    features as `fit` saw them uses the last round of batches.
    """
    x, y = targets.of_seed(condition, images, seed)
    taken = draws.batches(condition.train, condition.batch, frozen.ORDERS, seed)
    taken = [taken[step % len(taken)] for step in range(condition.steps)]
    labels = [y["train"][indices] for indices in taken]
    rows = []
    for name, momentum in UPDATING_MOMENTA.items():
        seen, moved = follower.follow([x["train"][indices] for indices in taken], momentum)
        parts = {part: frozen.Part(follower.infer(x[part], moved), y[part]) for part in x}
        head = heads.first(seen[0].shape[1], len(images.class_names), seed)
        by_rate = {rate: heads.short(head, seen, labels, rate, condition.steps) for rate in RATES}
        row = frozen.chosen(by_rate, parts["validation"], parts["test"])
        row |= _converged(seen, labels, parts, -(-condition.train // condition.batch))
        rows.append({"setting": name, **row, "test_images": len(y["test"])})
    return rows


def _converged(
    seen: list[np.ndarray], labels: list[np.ndarray], parts: dict[str, frozen.Part], last: int
) -> dict[str, float]:
    """Converged heads, fitted on the features of the last batches of `fit`, and on inference features."""
    in_fit = evaluation.converged(np.concatenate(seen[-last:]), np.concatenate(labels[-last:]))
    refitted = evaluation.converged(parts["train"].features, parts["train"].labels)
    test = parts["test"]
    return {
        "converged_accuracy": float(in_fit.score(test.features, test.labels)),
        "refitted_accuracy": float(refitted.score(test.features, test.labels)),
    }
