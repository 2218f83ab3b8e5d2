"""One recommendation from paired trials, or the word that there is none."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lab import plots, sentences
from ..lab.decisions import ABOVE, BELOW, decided
from ..lab.differences import paired
from ..lab.experiment import Summary
from ..training import tables
from ..training.arms import ARMS

if TYPE_CHECKING:
    import pandas as pd


def summarize(config: Any, results: "pd.DataFrame", folder: Path) -> Summary:
    """The `Summary` of `choose`."""
    results = tables.with_percentages(results)
    arms, shift = list(config.arms), config.shifts[0]
    return Summary(
        findings=[
            recommend(results, shift, arms),
            *disagreement(results, shift, arms),
            *_held_in_fit(results, shift, arms),
        ],
        tables=[
            ("Modes", tables.arms_table(arms, results)),
            (
                f"Test accuracy in inference mode: {config.target.name}",
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


def recommend(results: "pd.DataFrame", shift: str, arms: list[str]) -> str:
    """Names the mode with the best mean, if its lead over the first is more than chance.

    The rule: of the modes whose paired difference to the first one is above
    zero, at the short budget, the one with the highest mean, by p values that are corrected for
    being several (Holm). Fewer than four seeds recommend nothing.
    """
    first, others = arms[0], arms[1:]
    changes = {arm: paired(results, tables.SHORT, shift, arm, first) for arm in others}
    found = decided(changes)
    better = {arm: change for arm, change in changes.items() if found[arm] == ABOVE}
    if better:
        best = max(better, key=lambda arm: better[arm].mean)
        return (
            f"Choose {best} ({ARMS[best].says}): test accuracy in inference mode is "
            f"{sentences.difference(better[best])} than with {first}."
        )
    worse = [arm for arm in others if found[arm] == BELOW]
    said = "No difference that these runs can show" if len(worse) < len(others) else "All others are worse"
    listed = "; ".join(f"{arm} {change.text()}" for arm, change in changes.items())
    return f"{said}: keep {first} ({ARMS[first].says}). Differences to it in points: {listed}."


def disagreement(results: "pd.DataFrame", shift: str, arms: list[str]) -> list[str]:
    """Says so if a converged head ranks another mode first than the short budget does."""
    part = results[results.condition == shift]
    means = {metric: part.groupby("arm")[metric].mean() for metric in (tables.SHORT, tables.CONVERGED)}
    short, converged = (max(arms, key=lambda arm: means[metric][arm]) for metric in means)
    if short == converged:
        return []
    return [
        f"Short and converged disagree: {short} is first after the short budget, {converged} with a "
        "converged head. The first also measures how fast a head learns; go by the second if you will "
        "train long."
    ]


def _held_in_fit(results: "pd.DataFrame", shift: str, arms: list[str]) -> list[str]:
    """A caution for modes that look good only while they train."""
    part = results[results.condition == shift]
    gaps = part.groupby("arm").gap.mean()
    wide = [f"{arm} by {gaps[arm]:.0f} points" for arm in arms if gaps[arm] > 10]
    return [f"Better in fit than in inference mode on the same images: {', '.join(wide)}."] if wide else []
