"""The README's table of the main job and its claims, from its stored rows.

`python -m docs.main_job WORK_DIR` stores new ones. It needs neither TensorFlow nor the runs' drift,
which is too large to be stored.
"""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.found import between_marks
from experiments.frozen_batchnorm import claims as main_claims
from experiments.frozen_batchnorm.defaults import IMAGENET
from experiments.lab import catalog, kept
from experiments.lab.differences import paired
from experiments.lab.experiment import Summary
from experiments.lab.intervals import mean_and_sd
from experiments.training.arms import ARMS
from experiments.training.tables import CONVERGED, REFERENCE, SHORT, gap, of_arm, with_percentages
from tfbn.utils.files import written_whole

if TYPE_CHECKING:
    import pandas as pd

README = Path(__file__).parents[1] / "README.md"
EXPERIMENT = dataclasses.replace(catalog.load("frozen_batchnorm"), tables=())
PLAIN, CONTRAST = "none", "contrast=0.3"
SAYS = {
    "inference": "`training=False`",
    "batch": "`training=True`, statistics update at momentum 0.9",
    "batch_slow": "the same, momentum 0.99 (Keras's default)",
    "batch_held": "`training=True`, statistics held",
    "inference_updating": "`training=False`, statistics update",
    "recalibrated": "recalibrated once, then `training=False`",
}


def rows() -> "pd.DataFrame":
    """The kept rows, accuracies in percent."""
    import pandas as pd

    return with_percentages(pd.read_parquet(kept.FOLDER / EXPERIMENT.name / "results.parquet"))


def about() -> dict[str, Any]:
    """The metadata of the runs."""
    return kept.about(EXPERIMENT)


def summary() -> Summary:
    """The claims alone, as the main job decides them."""
    known = {name: value for name, value in about()["config"].items() if name not in IMAGENET}
    config = EXPERIMENT.config_class(**{**known, **IMAGENET})
    return Summary([], [], [], [], main_claims.claims(config, rows()))


def table(results: "pd.DataFrame") -> str:
    """Markdown: a line for each arm."""
    lines = [
        "| frozen layers | test accuracy in inference mode, % | minus `training=False` | the same at "
        "contrast 0.3 | with a converged head, % | gap of fit to inference, points |",
        "|---|---|---|---|---|---|",
    ]
    for arm in [name for name in ARMS if name in set(results.arm)]:
        part = of_arm(results, PLAIN, arm)
        differences = [
            "" if arm == REFERENCE else paired(results, SHORT, shift, arm, REFERENCE).text()
            for shift in (PLAIN, CONTRAST)
        ]
        cells = [SAYS[arm], mean_and_sd(part[SHORT]), *differences, mean_and_sd(part[CONVERGED])]
        lines.append(f"| {' | '.join([*cells, f'{gap(part).mean:+.1f}'])} |")
    return "\n".join([*lines, "", said(results)])


def said(results: "pd.DataFrame") -> str:
    """A sentence about the runs and about what did not move in them."""
    moved = results.groupby("arm")[["affine_moved", "statistics_moved"]].max()
    assert not moved.affine_moved.any(), "gamma or beta of a frozen layer moved"
    held = [arm for arm, each in moved.statistics_moved.items() if not each]
    known = about()
    return (
        f"{results.seed.nunique()} seeds with no image in common, {results.arm.nunique()} arms, two shifts: "
        f"{len(results)} runs of `make run`, {known['date']}, {known['processor']}. gamma and beta of frozen "
        "layers did not change by a single bit in any of them; neither did held statistics, in the "
        f"{int(results.arm.isin(held).sum())} runs that hold them. If the batch normalizes, their mismatch "
        "is "
        f"{of_arm(results, PLAIN, 'batch_held').mismatch.mean():.2f} nats per channel at a drift of 0."
    )


def main(folders: list[Path]) -> None:
    """Keeps the rows of a work folder if one is given, then writes the README's table."""
    for folder in folders:
        kept.keep(EXPERIMENT, folder)
    with written_whole(README) as temporary:
        temporary.write_text(between_marks(README.read_text(), {"main job": table(rows())}))


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
