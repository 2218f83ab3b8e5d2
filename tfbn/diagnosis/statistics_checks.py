"""The faults that show in a layer's moving statistics: one small function each."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tfbn.diagnosis.finding import Finding, fault
from tfbn.diagnosis.plan import Plan

DEAD = 1e-12  # a channel with a smaller moving variance is constant


def broken_statistics(plan: Plan) -> Iterator[Finding]:
    """Statistics or gamma and beta that are not finite, or a negative variance."""
    for named in plan.layers:
        mean, variance = plan.statistics(named.layer)
        bad = int(np.sum(~np.isfinite(mean) | ~np.isfinite(variance) | (variance < 0)))
        if bad:
            yield fault(
                "broken-statistics",
                (named.path,),
                f"{bad} of {len(mean)} channels not finite, or with a negative variance",
                "finite means and variances of at least 0",
                "One NaN or overflow in a batch stays in a moving average for good.",
                "tfbn.recalibrate(model, images)",
            )


def dead_channels(plan: Plan) -> Iterator[Finding]:
    """Every channel of a layer is constant."""
    for named in plan.layers:
        variance = plan.statistics(named.layer)[1]
        if len(variance) and np.all(variance < DEAD):
            yield fault(
                "dead-layer",
                (named.path,),
                f"moving variance below {DEAD:g} in all {len(variance)} channels",
                "channels that vary",
                "The layer receives the same values for every input.",
                "tfbn.population_statistics(model, images)  # where does the signal end?",
            )


def large_epsilon(plan: Plan) -> Iterator[Finding]:
    """Epsilon exceeds the variance of most channels, which then shrink toward beta."""
    for named in plan.layers:
        variance = plan.statistics(named.layer)[1]
        alive = variance[variance >= DEAD]
        small = int(np.sum(alive < named.layer.epsilon))
        if len(alive) and small > len(alive) / 2:
            yield fault(
                "large-epsilon",
                (named.path,),
                f"epsilon {named.layer.epsilon:g} exceeds the variance of {small} of {len(alive)} channels",
                "an epsilon below the variances",
                "The layer divides by sqrt(variance + epsilon). Weights converted from PyTorch expect 1e-5; "
                "Keras's default is 1e-3.",
                "keras.layers.BatchNormalization(epsilon=1e-5)",
            )


def initial_statistics(plan: Plan) -> Iterator[Finding]:
    """Some layers were trained, others still have mean 0 and variance 1 and will be held."""
    held = {row.path for row in plan.audit.rows if not row.fit.updates}
    initial = [named.path for named in plan.layers if _is_initial(plan, named.layer)]
    unused = [path for path in initial if path in held]
    if unused:
        yield fault(
            "initial-statistics",
            tuple(unused),
            "mean 0 and variance 1 in every channel, held in fit",
            "statistics of the data that the network was trained on",
            "The layer normalizes by statistics that were never measured.",
            "tfbn.recalibrate(model, images)",
        )


def _is_initial(plan: Plan, layer: Any) -> bool:
    mean, variance = plan.statistics(layer)
    return bool(np.all(mean == 0) and np.all(variance == 1))
