"""One recommendation from raced training runs, or a statement that there is none."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfbn.choosing.choice import Choice, decided
from tfbn.utils.words import counted

from ..lab import plots
from ..lab.experiment import Summary
from ..training import tables
from ..training.arms import ARMS, Arm
from ..training.pools import pool
from . import race
from .runs import TABLE


@dataclasses.dataclass(frozen=True)
class Trial:
    """An arm as `tfbn.choosing` takes it: its name, what it is, and the lines that set it."""

    name: str
    says: str
    code: tuple[str, ...]


def summarize(config: Any, results: pd.DataFrame, folder: Path) -> Summary:
    """The `Summary` of `choose`."""
    results = tables.with_percentages(results)
    tried = pd.read_parquet(folder / f"{TABLE}.parquet")
    arms, shift = list(config.arms), config.shifts[0]
    found = recommended(tried, arms, _classes(config))
    return Summary(
        findings=[
            *sentences(found),
            *disagreement(found, recommended(tried, arms, _classes(config), race.SHORT)),
            *stopped(results, arms),
            *_held_in_fit(results, shift, arms),
        ],
        tables=[
            ("On images that were not used to choose, with a converged head", table_of(found)),
            ("Modes", tables.arms_table(arms, results)),
            (
                f"All test images, in inference mode: {config.target_name}",
                tables.accuracy_table(results, shift, arms, arms[0]),
            ),
            ("What BatchNorm did", tables.behavior_table(results, shift, arms)),
        ],
        figures=[
            (
                "Test accuracy in inference mode",
                "Small marks are seeds, large marks their mean.",
                plots.by_arm(
                    results,
                    {tables.SHORT: "short budget", tables.CONVERGED: "converged head"},
                    arms,
                    "test accuracy, %",
                ),
            )
        ],
        limits=tables.limits(config),
    )


def recommended(tried: pd.DataFrame, arms: list[str], classes: int, head: str = race.CONVERGED) -> Choice:
    """The choice that follows from the training runs, by the rules of `tfbn.choose`."""
    options = [Trial(name, ARMS[name].says, code_of(ARMS[name])) for name in arms]
    return decided(race.repeats(tried, head), classes, 0.0, options)


def code_of(arm: Arm) -> tuple[str, ...]:
    """The lines that set an arm, with `model`, `layers` and `x_train` of your own.

    >>> code_of(ARMS["inference_updating"])
    ('tfbn.freeze(model, layers, training=False, update_statistics=True)',)
    """
    flags = {"training": arm.training, "update_statistics": arm.update_statistics}
    given = "".join(f", {name}={value}" for name, value in flags.items() if value is not None)
    before = ("tfbn.recalibrate(model, x_train)",) if arm.recalibrate else ()
    if arm.trainable:
        return (*before, "tfbn.unfreeze(model)")
    return (*before, f"tfbn.freeze(model, layers{given})")


def sentences(found: Choice) -> list[str]:
    """The recommendation in one sentence, and the reasons for it."""
    says = next(row.says for row in found.tried if row.name == found.recommendation)
    word = "Choose" if found.recommendation != found.tried[0].name else "Keep"
    return [f"{word} {found.recommendation} ({says}): {'; '.join(found.code)}.", *found.reasons]


def table_of(found: Choice) -> pd.DataFrame:
    """A row for each arm, as text."""
    rows = [
        {
            "arm": row.name,
            "accuracy, %": f"{100 * row.accuracy:.1f}",
            f"minus {found.tried[0].name}, points": "-" if row.difference is None else str(row.difference),
        }
        for row in found.tried
    ]
    return pd.DataFrame(rows)


def disagreement(converged: Choice, short: Choice) -> list[str]:
    """Says so if a converged head recommends another mode than the short budget does."""
    if short.recommendation == converged.recommendation:
        return []
    return [
        f"Short and converged disagree: after the short budget it would be {short.recommendation} "
        f"({short.chosen} points better than {short.tried[0].name}), with a converged head "
        f"{converged.recommendation}. The first also measures how fast a head learns; the recommendation "
        "goes by the second."
    ]


def stopped(results: pd.DataFrame, arms: list[str]) -> list[str]:
    """Which arms ran with fewer seeds than the first one."""
    seeds = results.groupby("arm", observed=True).seed.nunique()
    said = [f"{arm} after {counted(seeds[arm], 'seed')}" for arm in arms if seeds[arm] < seeds[arms[0]]]
    return [f"Stopped, since they could no longer win: {', '.join(said)}."] if said else []


def _classes(config: Any) -> int:
    return len(pool(config.target).class_names)


def _held_in_fit(results: pd.DataFrame, shift: str, arms: list[str]) -> list[str]:
    """A caution for modes that look good only while they train."""
    part = results[results.condition == shift]
    gaps = part.groupby("arm").gap.mean()
    wide = [f"{arm} by {gaps[arm]:.0f} points" for arm in arms if np.isfinite(gaps[arm]) and gaps[arm] > 10]
    return [f"Better in fit than in inference mode on the same images: {', '.join(wide)}."] if wide else []
