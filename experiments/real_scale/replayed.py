"""What the replays of `tfbn.choose` on the study's images say: read, and judged by the study's accuracies."""

import json

import pandas as pd

from ..lab.differences import difference
from . import stored
from .arms import FAMILY

RESULTS = stored.FOLDER / "replays.parquet"
TIMES = stored.FOLDER / "replays.json"
DEVELOPED = (0, 1)  # seeds by which the rule of `tfbn.choose` was chosen; the others had no say in it
MEASURE = "converged_accuracy"  # what `tfbn.choose` promises: a converged head in inference mode
# The arms of the study that an option stands for; of two that it lies between, the worse one counts.
ARMS_OF = {
    "inference": ("inference",),
    "batch": ("batch_0.9",),
    "recalibrated": ("recalibrated",),
    "blend_0.25": ("blend_0.25",),
    "blend_0.5": ("blend_0.5",),
    "blend_0.75": ("blend_0.5", "recalibrated"),
}


def judged(arms: pd.DataFrame, replays: pd.DataFrame, measure: str = MEASURE) -> pd.DataFrame:
    """For each replay, how far what it recommends is from the best arm of its condition.

    Args:
        arms: The stored rows of the study.
        replays: Rows of `replay`.
        measure: The column by which arms are best.

    Returns:
        The replays with `best`, `behind` and `error`: by how many points the recommended arm is
        behind the best over all seeds, and the standard error of that difference, which is never less than
        that of the test images; and `within`: whether the first is at most the second.
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
    """The stored replays, and the seconds of a training by network."""
    return pd.read_parquet(RESULTS), json.loads(TIMES.read_text())
