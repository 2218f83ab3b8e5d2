"""The summary of the study's runs so far."""

from pathlib import Path
from typing import Any

import pandas as pd

from tfbn.utils.words import counted

from ..lab.experiment import Summary
from ..lab.verdicts import CLAIM, QUESTION, WORDS, Claim, Number
from . import figure, tables
from .rules import LEAST_SEEDS, MEASURES
from .tables import in_words
from .verdicts import Judgment, decided_word

LIMITS = [
    "One ImageNet network, and enlarged images: the targets are small pictures, or cut out.",
    "Frozen arms share the images of a seed, so that their differences are paired; conditions of the same "
    "target share images too, and their verdicts are not independent.",
    "The head sees four orders of the training images in turn, not a new one in every epoch.",
]


def summarize(config: Any, results: "pd.DataFrame", folder: Path) -> Summary:
    """The tables, the figure and the claims from the runs' own tables in the work folder."""
    arms = pd.read_parquet(folder / "arms.parquet").astype({"condition": str, "arm": str})
    arms = arms.rename(columns={"arm": "family"})  # a run of the study measures a family of arms
    judged = tables.judgments(arms)
    return Summary(
        findings=sentences(judged),
        tables=_tables(arms),
        figures=[("What the target's statistics gain", figure.CAPTION, figure.crossover(arms))],
        limits=LIMITS,
        claims=claims(judged),
    )


def _tables(arms: "pd.DataFrame") -> "list[tuple[str, pd.DataFrame]]":
    found = [
        (f"Accuracy on test images, %: {words}", tables.accuracies(arms, measure))
        for measure, words in MEASURES.items()
    ]
    tuned = tables.tuned(arms)
    return [
        *found,
        *([("Where the network trains: accuracy on test images, %", tuned)] if len(tuned) else []),
    ]


def sentences(judged: list[Judgment]) -> list[str]:
    """The claims that have a verdict, one sentence each."""
    return [
        f"{each.rule.claim} {tables.SHORT[each.measure].capitalize()}: {each.verdict}."
        for each in judged
        if any(change.seeds >= LEAST_SEEDS for change in each.differences.values())
    ]


def claims(judged: list[Judgment]) -> list[Claim]:
    """The claims that have run, in the form that the table of all claims takes."""
    return [_claim(each) for each in judged if each.differences]


def _claim(each: Judgment) -> Claim:
    shown = "; ".join(f"{name}: {change.text()}" for name, change in each.differences.items())
    seeds = sorted({change.seeds for change in each.differences.values()})
    rule = each.rule
    return Claim(
        f"{rule.claim.rstrip('.')} ({MEASURES[each.measure]}).",
        f"{shown} points ({counted(seeds, 'seed')})",
        decided_word(each.verdict),
        "; ".join(f"{name}: {verdict}" for name, verdict in each.verdicts.items()),
        rule.source,
        CLAIM if rule.source else QUESTION,
        rule.url,
        rule.quote,
        numbers=tuple(
            Number(
                in_words(name), change.mean, change.low, change.high, change.seeds, WORDS[each.verdicts[name]]
            )
            for name, change in each.differences.items()
        ),
        unit="points",
    )
