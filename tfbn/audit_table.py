"""An audit as text."""

import itertools
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfbn.auditing import Audit, Row

HEADINGS = ("layer", "class", "channels", "fit: normalises by", "statistics", "gamma, beta", "evaluate")
FOLD_ABOVE = 60  # rows; longer tables show neighbours that are alike as one
WIDTH = 110


def render(audit: "Audit") -> str:
    """The table, a line that sums it up, and the warnings, as plain text."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(width=WIDTH, highlight=False, color_system=None)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading == "channels" else "left", overflow="fold")
    groups = _groups(audit.rows) if len(audit.rows) > FOLD_ABOVE else [[row] for row in audit.rows]
    for group in groups:
        table.add_row(*_cells(group))
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    return "\n".join([*lines, "", textwrap.fill(_sum(audit), WIDTH), *_warnings(audit)])


def _groups(rows: "tuple[Row, ...]") -> "list[list[Row]]":
    """Runs of neighbours that do the same."""
    keyed = itertools.groupby(rows, key=lambda row: (row.kind, row.fit, row.evaluate))
    return [list(group) for _, group in keyed]


def _cells(group: "list[Row]") -> list[str]:
    row = group[0]
    name = row.path if len(group) == 1 else f"{row.path} ... {group[-1].path} ({len(group)} layers)"
    channels = sorted({each.channels for each in group})
    inference = row.evaluate.normalizes_by == "moving" and not row.evaluate.updates
    return [
        name.replace("[", "\\["),
        row.kind,
        str(channels[0]) if len(channels) == 1 else f"{channels[0]}-{channels[-1]}",
        row.fit.normalizes_by,
        "update" if row.fit.updates else "held",
        "train" if row.fit.trains else "frozen",
        "moving, held" if inference else f"{row.evaluate.normalizes_by}, UPDATE",
    ]


def _sum(audit: "Audit") -> str:
    rows = audit.rows
    batch = sum(row.fit.normalizes_by == "batch" for row in rows)
    return (
        f"{audit.model}: {len(rows)} BatchNormalization layers. In fit {batch} normalise by the batch, "
        f"{sum(row.fit.updates for row in rows)} update their statistics, "
        f"{sum(row.fit.trains for row in rows)} train gamma or beta."
    )


def _warnings(audit: "Audit") -> list[str]:
    wrapped = (
        textwrap.fill(text, WIDTH, initial_indent="! ", subsequent_indent="  ") for text in audit.warnings
    )
    return list(wrapped)
