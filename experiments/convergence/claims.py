"""Findings and claims about convergence, and the rules that decide them."""

from typing import TYPE_CHECKING

import numpy as np

from ..lab import sentences
from ..lab.differences import paired
from ..lab.intervals import Interval, interval, mean_and_sd
from ..lab.verdicts import Claim, judged
from ..training.sources import FASTER, LARGER_RATES, NO_DROPOUT

if TYPE_CHECKING:
    import pandas as pd

MARGIN = 1.0  # points of accuracy that count as no loss


def claims(results: "pd.DataFrame", best: "pd.DataFrame") -> list[Claim]:
    """Every claim that these runs can decide; arms that did not run are left out."""
    arms, found = set(results.arm), []
    if {"batchnorm", "neither"} <= arms:
        claim = "BatchNorm speeds up convergence (fewer steps)."
        found.append(judged(claim, fewer_steps(results, best), unit="steps", digits=0, source=FASTER))
        claim = "BatchNorm allows larger learning rates."
        found.append(judged(claim, larger_rate(results), unit="powers of ten", source=LARGER_RATES))
    if {"batchnorm", "dropout", "both"} <= arms:
        changes = {
            f"against {other} at best rates": paired(best, "test_accuracy", "best rate", "batchnorm", other)
            for other in ("dropout", "both")
        }
        claim = "BatchNorm replaces dropout (test accuracy no lower)."
        found.append(judged(claim, changes, margin=MARGIN, source=NO_DROPOUT))
    return found


def fewer_steps(results: "pd.DataFrame", best: "pd.DataFrame") -> dict[str, Interval]:
    """Steps without BatchNorm minus with it, at each rate where a run reached the target, and at best rates.

    A run that did not reach it counts as one measurement later than its last step, so the
    difference is then a lower bound.
    """
    compared = results[results.arm.isin(["batchnorm", "neither"])]
    changes = {
        condition: paired(compared, "steps_to_target", condition, "neither", "batchnorm")
        for condition, runs in compared.groupby("condition", sort=False)
        if runs.reached.any()
    }
    return changes | {"best rates": paired(best, "steps_to_target", "best rate", "neither", "batchnorm")}


def larger_rate(results: "pd.DataFrame") -> dict[str, Interval]:
    """log10 of the largest rate that trains, with BatchNorm minus without, by seed.

    Where none trains, the smallest rate tried stands in, so that no seed is left out; against
    a network that trains the difference is then a lower bound.
    """
    tried = np.log10(results.rate.where(results.trains, results.rate.min()))
    largest = tried.groupby([results.arm, results.seed]).max()
    return {"largest rate that trains": interval(largest["batchnorm"] - largest["neither"])}


def findings(results: "pd.DataFrame", best: "pd.DataFrame", target: float) -> list[str]:
    """Sentences that follow from the numbers."""
    lines = []
    for arm, runs in results.groupby("arm", sort=False):
        trains = runs[runs.trains].rate
        limit = f"the largest rate that trains is {trains.max():g}" if len(trains) else "no rate trains it"
        limit += " or more" if len(trains) and trains.max() == results.rate.max() else ""
        own = best[best.arm == arm]
        lines.append(
            f"{arm}: {limit}; best at {own.rate.iloc[0]:g}: {mean_and_sd(own.steps_to_target, 0)} steps to "
            f"{target:.0%}, {own.fit_seconds.median():.1f} s for all steps, test accuracy "
            f"{mean_and_sd(own.test_accuracy)} %, "
            f"{(own.train_accuracy - own.test_accuracy).mean():+.1f} points more on training images."
        )
    if {"batchnorm", "both"} <= set(results.arm):
        change = paired(best, "test_accuracy", "best rate", "both", "batchnorm")
        lines.append(
            f"Dropout together with BatchNorm, at best rates, test accuracy: {sentences.difference(change)}."
        )
    return lines
