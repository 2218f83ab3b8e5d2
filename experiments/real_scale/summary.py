"""What the study's runs say so far."""

from pathlib import Path
from typing import Any

import pandas as pd

from ..lab.experiment import Summary


def summarize(config: Any, results: pd.DataFrame, folder: Path) -> Summary:
    """The accuracies by condition and arm."""
    arms = pd.read_parquet(folder / "arms.parquet")
    table = arms.groupby(["condition", "setting"], observed=True)["test_accuracy"].agg(["mean", "count"])
    return Summary([], [("Test accuracy", table.reset_index())], [], [])
