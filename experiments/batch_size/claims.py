"""Claims about the batch size, and the rules that decide them."""

import dataclasses
from typing import TYPE_CHECKING

from ..lab.differences import percentage, points
from ..lab.intervals import Interval, interval
from ..lab.verdicts import FACT, Claim, judged, judged_below
from ..training.sources import RENORMALIZATION

if TYPE_CHECKING:
    import pandas as pd

USELESS = 5.0  # points above chance that count as no better than chance
ON_THE_LINE = 1.25  # an error within this factor of 1/sqrt(N*H*W) counts as equal to it


def claims(results: "pd.DataFrame", sampled: "pd.DataFrame", chance: float) -> list[Claim]:
    """Every claim that these runs can decide.

    Args:
        results: As `with_budgets` gives it.
        sampled: The errors of batches.
        chance: Accuracy of guessing, in percent.
    """
    small = remedy(results, "renorm")
    return [
        judged(
            "The batch size should be as large as possible.",
            largest_against_smaller(results),
        ),
        judged_below(
            "BatchNorm is useless at a batch size of 1.",
            at_one(results),
            chance + USELESS,
            unit="%",
        ),
        dataclasses.replace(
            judged_below(
                "The error of a batch's mean is 1/sqrt(N*H*W).",
                over_the_line(sampled),
                ON_THE_LINE,
                unit="times that",
            ),
            kind=FACT,
        ),
        *(
            [judged("Batch renormalization mends small batches.", small, source=RENORMALIZATION)]
            * bool(small)
        ),
    ]


def largest_against_smaller(results: "pd.DataFrame") -> dict[str, Interval]:
    """Accuracy in inference mode at the largest size minus at each size 4, 16, ... times smaller."""
    runs = results[results.arm == results.arm.iloc[0]]
    sizes = sorted(set(runs.batch_size))
    smaller = sizes[-3::-2] or sizes[:-1]
    return {
        f"{budget}, {sizes[-1]} against {size}": _change(part, sizes[-1], size)
        for budget, part in runs.groupby("budget", sort=False)
        for size in smaller
    }


def _change(part: "pd.DataFrame", size: int, other: int) -> Interval:
    by_size = {s: runs.set_index("seed").inference for s, runs in part.groupby("batch_size")}
    return points(by_size[size], by_size[other])


def at_one(results: "pd.DataFrame") -> dict[str, Interval]:
    """Accuracy in inference mode after batches of one image, by network and budget."""
    ones = results[(results.batch_size == 1) & (results.arm != "renorm")]
    by = ones.groupby(["arm", "budget"], sort=False)
    return {f"{arm}, {budget}": percentage(runs.set_index("seed").inference) for (arm, budget), runs in by}


def over_the_line(sampled: "pd.DataFrame") -> dict[str, Interval]:
    """The error of the mean times sqrt(N*H*W), averaged over batch sizes, by layer."""
    shown = sampled[sampled.layer.isin(outer_layers(sampled))]
    ratios = (shown.mean_error * shown["values"] ** 0.5).groupby([shown.layer, shown.seed], observed=True)
    by_layer = ratios.mean().groupby(level=0, sort=False)
    return {str(layer): interval(of) for layer, of in by_layer}


def remedy(results: "pd.DataFrame", arm: str, reference: str = "batchnorm") -> dict[str, Interval]:
    """By budget and size up to 4: accuracy with the remedy minus without."""
    wide = results[results.batch_size <= 4].pivot_table(
        "inference", ["budget", "batch_size", "seed"], "arm", observed=True
    )
    if not {arm, reference} <= set(wide.columns):
        return {}
    return {
        f"{budget}, batch {size}": points(of[arm].droplevel([0, 1]), of[reference].droplevel([0, 1]))
        for (budget, size), of in wide[[arm, reference]].dropna().groupby(level=[0, 1], sort=False)
    }


def stage_layers(sampled: "pd.DataFrame") -> list[str]:
    """The first layer of each resolution."""
    return list(sampled.drop_duplicates(["arm", "positions"]).layer)


def outer_layers(sampled: "pd.DataFrame") -> list[str]:
    """The first and the last layer of each network."""
    by_arm = sampled.groupby("arm", sort=False, observed=True).layer
    return list(dict.fromkeys(str(layer) for of in by_arm for layer in (of[1].iloc[0], of[1].iloc[-1])))
