"""The summary: what training gamma and beta alone achieves."""

from pathlib import Path
from typing import Any

import pandas as pd

from ..lab import plots, sentences
from ..lab.differences import paired
from ..lab.experiment import Summary
from ..lab.intervals import Interval
from ..lab.verdicts import Claim, judged
from ..training import tables
from ..training.arms import AFFINE
from ..training.sources import AFFINE_ONLY, KERAS_INFERENCE, RANDOM_FEATURES

MARGIN = 2.0  # points of accuracy that "as good as" may lose
REFERENCE = "everything_updated"
METRICS = {"test_accuracy": "short budget", "converged_accuracy": "converged head"}

COMPARED = (
    ("gamma and beta instead of everything, statistics held", "affine_held", "everything_held"),
    ("gamma and beta instead of everything, statistics updated", "affine_updated", "everything_updated"),
    ("gamma and beta too instead of the head only, statistics held", "affine_held", "head_held"),
    ("statistics updated instead of held while gamma and beta train", "affine_updated", "affine_held"),
    ("gamma and beta too instead of the head only, never pretrained", "affine_random", "head_random"),
)


def summarize(config: Any, results: pd.DataFrame, folder: Path) -> Summary:
    """The `Summary` of `affine_only`; accuracies in percent, differences in points."""
    results, arms = tables.with_percentages(results), list(config.arms)
    changes = Changes(config, results)
    shown = [("Arms", _arms_table(results, {arm: AFFINE[arm].says for arm in arms}))]
    for shift in config.shifts:
        of_shift = f"{config.target_name}, {sentences.shift_in_words(shift)}"
        shown += [
            (
                f"Test accuracy in inference mode: {of_shift}",
                tables.accuracy_table(results, shift, arms, REFERENCE),
            ),
            (f"What BatchNorm did: {of_shift}", tables.behavior_table(results, shift, arms)),
        ]
    return Summary(
        findings=[line for line in _findings(changes, results) if line],
        tables=shown,
        figures=[
            (
                "Test accuracy in inference mode",
                "Small marks are seeds, large marks their mean. The head as the arm trained it (short "
                "budget), and a new one trained to convergence on the same features.",
                plots.by_arm(results, METRICS, arms, "test accuracy, %"),
            )
        ],
        limits=[
            *tables.limits(config),
            f"Where convolutions train, the learning rate is {config.tuning_rate:g}, elsewhere "
            f"{config.learning_rate:g}; neither was tuned.",
            "The published results come from far larger networks and data sets.",
        ],
        claims=claims(changes),
    )


class Changes:
    """Paired differences of arms under each shift, for the arms that ran."""

    def __init__(self, config: Any, results: pd.DataFrame):
        self.shifts, self.results, self.ran = config.shifts, results, set(config.arms)
        self.momentum = config.momentum

    def of(self, arm: str, reference: str, metric: str = "test_accuracy") -> dict[str, Interval]:
        """The difference by shift; empty if one of the arms did not run."""
        if not {arm, reference} <= self.ran:
            return {}
        return {shift: paired(self.results, metric, shift, arm, reference) for shift in self.shifts}

    def in_modes(self, kind: str, reference: str) -> dict[str, Interval]:
        """The difference of two kinds of arm by shift, statistics held and updated."""
        return {
            f"{sentences.shift_in_words(shift)}, {mode}": change
            for mode in ("held", "updated")
            for shift, change in self.of(f"{kind}_{mode}", f"{reference}_{mode}").items()
        }


def _arms_table(results: pd.DataFrame, says: dict[str, str]) -> pd.DataFrame:
    sizes = results.groupby("arm").trained_parameters.first()
    return pd.DataFrame(
        [{"arm": arm, "what trains": text, "parameters": f"{sizes[arm]:,.0f}"} for arm, text in says.items()]
    )


def _findings(changes: Changes, results: pd.DataFrame) -> list[str]:
    held = results[results.arm.str.endswith("_held")]
    heads = results[results.arm.str.startswith("head_")]
    checks = [
        sentences.never_moved("moving statistics", "arms that hold them", held.statistics_moved),
        sentences.never_moved("gamma and beta", "arms that train the head only", heads.affine_moved),
    ]
    said = "; ".join(filter(None, checks))
    return [
        f"{said[:1].upper()}{said[1:]}." if said else "",
        *(_sentence(what, changes, arm, reference) for what, arm, reference in COMPARED),
    ]


def _sentence(what: str, changes: Changes, arm: str, reference: str) -> str:
    parts = [
        f"{sentences.shift_in_words(shift)}, {label}: {sentences.difference(change)}"
        for metric, label in METRICS.items()
        for shift, change in changes.of(arm, reference, metric).items()
    ]
    return f"{what[:1].upper()}{what[1:]}. {'; '.join(parts)}." if parts else ""


def claims(changes: Changes) -> list[Claim]:
    """Each claim with the differences that decide it."""
    tests: list[tuple[str, dict[str, Interval], dict[str, Any]]] = [
        ("Training gamma, beta and the head is as good as training everything.",
         changes.in_modes("affine", "everything"), {"source": AFFINE_ONLY, "margin": MARGIN}),
        ("Training gamma and beta too beats training the head only.", changes.in_modes("affine", "head"), {}),
        (f"Hold the statistics while gamma and beta train (momentum {changes.momentum:g}).",
         changes.of("affine_held", "affine_updated"),
         {"source": KERAS_INFERENCE}),
        ("gamma and beta alone make something of a network that was never pretrained.",
         changes.of("affine_random", "head_random"), {"source": RANDOM_FEATURES}),
    ]  # fmt: skip
    return [judged(claim, measured, **how) for claim, measured, how in tests if measured]
