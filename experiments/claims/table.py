"""The table of claims: one row each, for files and for readers."""

import collections
import dataclasses
import html
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from tfbn.utils.words import counted

from ..lab.decisions import FAILS, HOLDS, NO_DIFFERENCE, VERDICTS
from ..lab.verdicts import CLAIM, FACT, QUESTION, Number
from . import words
from .strips import strip

if TYPE_CHECKING:
    from ..lab.experiment import Summary

COLUMNS = [
    "claim", "kind", "source", "url", "quote", "measured", "verdict", "why", "experiment",
    "numbers", "unit", "limit", "below",
]  # fmt: skip
KINDS = {
    CLAIM: "Claims, in the words of who makes them",
    QUESTION: "Questions of our own, and advice that no source was found for",
    FACT: "Formulas and facts of the API",
}
HEADER = ("| claim | verdict | the number that decides | |", "|---|---|---|---|")
HEADER_OF_FACTS = ("| what is said | verdict | what was seen |", "|---|---|---|")


def claims_table(summaries: "Mapping[str, Summary]") -> "pd.DataFrame":
    """One row per claim, in the order of the experiments."""
    rows = [
        {**dataclasses.asdict(claim), "experiment": name}
        for name, summary in summaries.items()
        for claim in summary.claims
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def by_kind(table: "pd.DataFrame") -> "dict[str, pd.DataFrame]":
    """The rows of each kind by its title, without kinds that have no rows."""
    return {title: part for kind, title in KINDS.items() if len(part := table[table.kind == kind])}


def count(table: "pd.DataFrame") -> str:
    """The number of claims with each verdict, in a sentence."""
    claims = table[table.kind == CLAIM]
    counts = collections.Counter(claims.verdict)
    listed = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    others = f"{(table.kind == QUESTION).sum()} questions, {(table.kind == FACT).sum()} facts"
    return f"{len(claims)} claims put to the test: {listed or 'none'}. Also: {others}."


def markdown(table: "pd.DataFrame", heading: str = "##") -> str:
    """A table for each kind of row, each under its title, details folded."""
    lines: list[str] = []
    for title, part in by_kind(table).items():
        facts = title == KINDS[FACT]
        rows = map(_row_of_fact if facts else _row, part.itertuples())
        lines += ["", f"{heading} {title}", "", *(HEADER_OF_FACTS if facts else HEADER), *rows]
    return "\n".join(lines) + "\n"


def numbers_of(row: Any) -> list[Number]:
    """What was measured, from a claim or from a stored row, in which NaN is None."""
    found = []
    for each in row.numbers:
        stored = each if isinstance(each, Mapping) else dataclasses.asdict(each)
        values: dict[str, Any] = {key: math.nan if value is None else value for key, value in stored.items()}
        found.append(Number(**values))
    return found


def deciding(row: Any) -> Number | None:
    """The one number that a row shows: that of the condition on which the verdict rests.

    Where the claim holds everywhere, or there is no difference anywhere, that is the one nearest
    to the limit; where it does not hold, the one that is furthest below; else the one that is
    furthest above, by the width of its interval.
    """
    whole = [each for each in numbers_of(row) if not math.isnan(each.low)]
    if not whole:
        return None

    def room(each: Number) -> float:
        """How far on the claim's side of the limit, in half widths of the interval."""
        far = (row.limit - each.mean) if row.below else (each.mean - row.limit)
        return far / max((each.high - each.low) / 2, 1e-9)

    if row.verdict in (HOLDS, NO_DIFFERENCE, FAILS):
        return min(whole, key=room)
    return max(whole, key=room)


def _row(row: Any) -> str:
    number = deciding(row)
    cells = [f"**{row.claim}** {_folded(row)}", row.verdict]
    if number is None:
        return _joined([*cells, words.of_text(row.measured), " "])
    seeds = counted(number.seeds, "seed")
    several = f", {words.of_condition(number.condition)}" if len(row.numbers) > 1 else ""
    shown = f"**{_signed(number.mean, row)}** {_interval(number)} {row.unit}{several}; {seeds}"
    return _joined([*cells, shown, _plot(number, row)])


def _row_of_fact(row: Any) -> str:
    return _joined([f"**{row.claim}** {_folded(row)}", row.verdict, words.of_text(row.measured)])


def _joined(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _folded(row: Any) -> str:
    """The source, every condition and how it was measured, behind one word to click on."""
    parts = []
    if row.quote:
        parts.append(f'“{html.escape(row.quote)}” (<a href="{html.escape(row.url)}">source</a>)')
    for number in numbers_of(row):
        said = f"{_signed(number.mean, row)} {_interval(number)}, {number.says}"
        parts.append(f"{_plot(number, row)} {words.of_condition(number.condition)}: {said}")
    allowed = f"a loss of up to {-row.limit:g} {row.unit} is allowed" if row.limit < 0 else ""
    limit = f"the limit is {row.limit:g} {row.unit}" if row.limit > 0 else ""
    parts += [each for each in (allowed, limit) if each]
    if not len(row.numbers) and row.why:
        parts.append(words.of_text(row.why))
    parts.append(f"<code>python -m experiments.{row.experiment}</code>")
    shown = html.escape(row.source) or "details"
    return f"<details><summary>{shown}</summary>{'<br>'.join(parts)}</details>"


def _plot(number: Number, row: Any) -> str:
    """The interval around the limit; to the right of it, the claim holds."""
    if math.isnan(number.low):
        return " "
    ends = [each - row.limit for each in (number.low, number.mean, number.high)]
    if row.below:
        ends = [-each for each in reversed(ends)]
    return f"<code>{strip(*ends)}</code>"


def _signed(value: float, row: Any) -> str:
    return f"{value:{'' if row.limit > 0 else '+'}{_digits(value)}}"


def _interval(number: Number) -> str:
    form = _digits(number.mean)
    return "" if math.isnan(number.low) else f"[{number.low:{form}}, {number.high:{form}}]"


def _digits(value: float) -> str:
    return ".0f" if abs(value) >= 100 else ".1f"
