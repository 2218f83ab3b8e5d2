"""The decision table of `docs/guide.md`, with all numbers from stored results.

`python -m docs.guide_page` writes it, from `experiments/results/real_scale` and
`experiments/results/claims.parquet`.
"""

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

from docs.found import between_marks, difference_of
from experiments.real_scale import replayed, stored, tables
from experiments.real_scale.arms import FAMILY, FROZEN, RATES
from experiments.real_scale.conditions import CONDITIONS

if TYPE_CHECKING:
    import pandas as pd

DOCS = Path(__file__).parent
PAGE = DOCS / "guide.md"
CLAIMS = DOCS.parent / "experiments" / "results" / "claims.parquet"
SHORT, CONVERGED, REFITTED = "test_accuracy", "converged_accuracy", "refitted_accuracy"


@dataclasses.dataclass(frozen=True)
class Row:
    """A situation, and what to do in it.

    Attributes:
        situation: Of the reader.
        do: What to do.
        instead: What it is compared with.
        arm: The arm of the study that it is.
        reference: The arm that it is compared with.
        measures: The conditions that show it, each with the measure to go by.
    """

    situation: str
    do: str
    instead: str
    arm: str
    reference: str
    measures: tuple[tuple[str, str], ...]


ROWS = (
    Row("An ImageNet network, frozen; classes of your own; a few hundred images",
        "`tfbn.freeze(base, training=False)`", "`training=True` at Keras's default momentum",
        "inference", "batch_0.99", (("base", SHORT), ("base", CONVERGED), ("digits", SHORT))),
    Row("The same with about a hundred photographs", "`tfbn.freeze(base, training=False)`",
        "`training=True` at momentum 0.9", "inference", "batch_0.9", (("photographs", CONVERGED),)),
    Row("The same, and your pixels differ too, such as in contrast", "`tfbn.freeze(base, training=False)`",
        "`tfbn.recalibrate` first", "inference", "recalibrated",
        (("contrast", REFITTED), ("faint", REFITTED), ("digits_contrast", REFITTED))),
    Row("The same in small batches", "`tfbn.freeze(base, training=False)`", "`training=True` at momentum 0.9",
        "inference", "batch_0.9", (("small_batches", SHORT), ("small_batches", CONVERGED))),
    Row("Nearly the same task as in pretraining, another camera: only the pixels differ",
        "`tfbn.recalibrate(base, x_train)`, then `training=False`", "`training=False` alone",
        "recalibrated", "inference", (("toy_contrast", SHORT), ("toy_contrast", REFITTED))),
    Row("You cannot tell which of the two you have", "`tfbn.recalibrate(base, x_train, share=0.5)`",
        "`training=False` alone", "blend_0.5", "inference", (("base", REFITTED), ("toy_contrast", REFITTED))),
    Row("You want `training=True`, and have 300 steps", "`momentum=0.9`, so that the statistics converge",
        "`momentum=0.99`", "batch_0.9", "batch_0.99",
        (("base", SHORT), ("digits", SHORT), ("toy_contrast", SHORT))),
    Row("You thought of `training=True, update_statistics=False`", "`training=False`: hold what normalizes",
        "the batch normalizes, the statistics are held",
        "inference", "batch_held", (("base", SHORT), ("toy", SHORT))),
)  # fmt: skip


def decisions(arms: "pd.DataFrame") -> str:
    """The table, without rows whose conditions have not run."""
    import pandas as pd

    rows = []
    for row in ROWS:
        found = [_measured(arms, row, *which) for which in row.measures]
        if any(found):
            measured = "; ".join(filter(None, found))
            rows.append({"you have": row.situation, "do": row.do, "rather than": row.instead})
            rows[-1]["points gained"] = measured
    return tables.markdown(pd.DataFrame(rows))


def _measured(arms: "pd.DataFrame", row: Row, condition: str, measure: str) -> str:
    change = difference_of(arms, condition, row.arm, row.reference, measure)
    if change is None:
        return ""
    unclear = "" if change.sign else ", not shown"
    return f"{CONDITIONS[condition].says}, {tables.SHORT[measure]}: {change.text()}{unclear}"


def batches_of_four() -> str:
    """What batches of 4 cost a network that trains from scratch, from the table of claims."""
    import pandas as pd

    table = pd.read_parquet(CLAIMS)
    measured = dict(zip(table.claim, table.measured, strict=True))
    size = measured["The batch size should be as large as possible."]
    renorm = measured["Batch renormalization mends small batches."]
    (steps,) = re.findall(r"fixed steps, 256 against 4: (.*?);", size)
    (samples,) = re.findall(r"fixed samples, 256 against 4: (.*?);", size)
    (mended,) = re.findall(r"fixed samples, batch 4: (.*?);", renorm)
    return (
        f"- At a fixed number of *steps*, batches of 256 beat batches of 4 by {steps} points.\n"
        f"- At a fixed number of *images seen*, the difference is {samples} points: small batches take more "
        "steps.\n"
        f"- Batch renormalization changes {mended} points at batches of 4: these runs cannot tell."
    )


def replays_of(arms: "pd.DataFrame") -> str:
    """How often the recommendation of `tfbn.choose` is as good as the best arm, and what it costs."""
    import pandas as pd

    runs, seconds = replayed.read()
    found = replayed.judged(arms, runs)
    always = replayed.judged(arms, runs.assign(recommended="inference"))
    developed = found.seed.isin(replayed.DEVELOPED)
    rows = [
        {
            "condition": CONDITIONS[name].says,
            "replays": len(part),
            "recommended": ", ".join(f"{arm} {n}" for arm, n in part.recommended.value_counts().items()),
            "best arm": part.best.iloc[0],
            "behind it, points": f"{part.behind.mean():.1f}",
            "standard error": f"{part.error.mean():.1f}",
            "within": f"{int(part.within.sum())}/{len(part)}",
        }
        for name, part in found.groupby("condition", sort=False)
    ]
    lines = [
        f"- In {_share(found[~developed])} of held-out seeds, the recommended arm is within one standard "
        "error of the best. The aim was 95 %. Always choosing `training=False` achieves this in "
        f"{_share(always[~developed])}.",
        f"- On the seeds on which the rule was developed, it is {_share(found[developed])}.",
    ]
    for network, each in found.groupby(found.condition.map(lambda name: CONDITIONS[name].network)):
        own, one = each.cpu_seconds.mean(), seconds[str(network)]
        kept = _seconds_of_a_run(arms, each)
        lines.append(
            f"- {network}: {own:.0f} CPU seconds per replay. Training one arm once by `fit` takes {one:.0f}, "
            f"so that is {own / one / len(FROZEN):.0%} of training the {len(FROZEN)} arms once, and "
            f"{own / one / len(FROZEN) / len(RATES):.1%} of it with the study's {len(RATES)} learning "
            f"rates. The study keeps features, so that all its arms and rates took {kept:.0f}."
        )
    return "\n".join([*lines, "", tables.markdown(pd.DataFrame(rows))])


def _share(replays: "pd.DataFrame") -> str:
    within = int(replays.within.sum())
    return f"{within} of {len(replays)} replays ({100 * within / len(replays):.0f} %)"


def _seconds_of_a_run(arms: "pd.DataFrame", replays: "pd.DataFrame") -> float:
    """CPU seconds of the study's own runs of these conditions, all frozen arms of a seed together."""
    part = arms[arms.condition.isin(replays.condition) & (arms.family == FAMILY)]
    return float(part.groupby(["condition", "seed"]).cpu_seconds.first().mean())


def updated(text: str, arms: "pd.DataFrame") -> str:
    """The page with the text between its marks replaced by these results."""
    made = {"decisions": decisions(arms), "batches of four": batches_of_four(), "replays": replays_of(arms)}
    return between_marks(text, made)


def write(arms: "pd.DataFrame") -> None:
    """Writes the page."""
    PAGE.write_text(updated(PAGE.read_text(), arms))


if __name__ == "__main__":
    write(stored.read()[0])
