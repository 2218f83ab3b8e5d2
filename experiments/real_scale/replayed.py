"""Evaluates the stored replays of `tfbn.choose` by the study's accuracies."""

import json

import pandas as pd

from ..lab.differences import difference
from . import stored
from .arms import FAMILY

RESULTS = stored.FOLDER / "replays.parquet"
TIMES = stored.FOLDER / "replays.json"
DEVELOPED = (0, 1)  # the seeds on which the rule of `tfbn.choose` was developed; the others are held out
MEASURE = "converged_accuracy"  # what `tfbn.choose` optimizes: a converged head in inference mode
# The arms of the study that an option corresponds to; if it lies between two, the worse one counts.
ARMS_OF = {
    "inference": ("inference",),
    "batch": ("batch_0.9",),
    "recalibrated": ("recalibrated",),
    "blend_0.25": ("blend_0.25",),
    "blend_0.5": ("blend_0.5",),
    "blend_0.75": ("blend_0.5", "recalibrated"),
}


def judged(arms: pd.DataFrame, replays: pd.DataFrame, measure: str = MEASURE) -> pd.DataFrame:
    """For each replay, compares the recommended arm with the best arm of its condition.

    Args:
        arms: The stored rows of the study.
        replays: Rows of `replay`.
        measure: The column that decides which arm is best.

    Returns:
        The replays with four more columns: `best`, the best arm over all seeds; `behind`, by how
        many points the recommended arm is behind it; `error`, the standard error of that
        difference, never below that of the test images; `within`, whether `behind` is at most
        `error`.
    """
    rows = []
    for row in replays.to_dict("records"):
        part = arms[(arms.condition == row["condition"]) & (arms.family == FAMILY)]
        shares = part.pivot(index="seed", columns="setting", values=measure).dropna()
        best = str(shares.mean().idxmax())
        own = min(ARMS_OF[row["recommended"]], key=lambda arm: shares[arm].mean())
        apart = difference(shares[best], shares[own], int(part.test_images.iloc[0]))
        within = best == own or apart.mean <= apart.error
        rows.append({**row, "best": best, "behind": apart.mean, "error": apart.error, "within": within})

    return pd.DataFrame(rows)


def read() -> tuple[pd.DataFrame, dict[str, float]]:
    """The stored replays, and the seconds of one training run by network."""
    return pd.read_parquet(RESULTS), json.loads(TIMES.read_text())
