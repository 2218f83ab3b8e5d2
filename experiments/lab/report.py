"""A summary as text for the terminal and as one self-contained HTML file."""

import base64
import dataclasses
import io
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tfbn.utils import glossary
from tfbn.utils.files import written_whole

from .experiment import Question, Summary
from .store import manifest_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG = 30  # characters; longer cells may wrap


def to_terminal(experiment: Question, summary: Summary) -> None:
    """Prints tables, findings and limits."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    # A file or a pipe has no width.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(f"\n[bold]{experiment.question}[/bold]")
    for title, frame in _tables(summary):
        console.print(f"\n[bold]{escape(title)}[/bold]")
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for column in frame.columns:
            justify: Any = "left" if _kind(frame[column]) else "right"
            table.add_column(str(column), justify=justify, overflow="fold")
        for row in frame.itertuples(index=False):
            table.add_row(*(escape(str(value)) for value in row))
        console.print(table)
    for finding in summary.findings:
        console.print(f"• {escape(finding)}")
    console.print("\n[dim]What these runs cannot show:[/dim]")
    for limit in summary.limits:
        console.print(f"[dim]• {escape(limit)}[/dim]")


def to_html(experiment: Question, config: Any, summary: Summary, folder: Path) -> Path:
    """Writes `report.html`, which loads nothing from elsewhere, and its plots into `figures/`."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__), autoescape=True, undefined=jinja2.StrictUndefined
    )
    pictures = [(title, caption, _picture(figure)) for title, caption, figure in summary.figures]
    for title, _, picture in pictures:
        with written_whole(folder / "figures" / f"{_file_name(title)}.png") as temporary:
            temporary.write_bytes(picture)
    links = {each.source: each.url for each in summary.claims if each.url}
    text = environment.get_template("report.html").render(
        experiment=experiment,
        summary=summary,
        options=dataclasses.asdict(config),
        manifest=manifest_of(experiment.name, config),
        words=glossary.WORDS,
        tables=[(title, _rows(frame, links)) for title, frame in _tables(summary)],
        figures=[
            (title, caption, base64.b64encode(picture).decode()) for title, caption, picture in pictures
        ],
    )
    path = folder / "report.html"
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _tables(summary: Summary) -> list[tuple[str, pd.DataFrame]]:
    """The tables, with the claims as one that fits a page."""
    if not summary.claims:
        return summary.tables
    rows = [
        {
            "claim": each.claim,
            "measured": each.measured,
            "verdict": each.verdict,
            "why": each.why,
            "source": f"{each.source}: “{each.quote}”" if each.quote else each.source,
        }
        for each in summary.claims
    ]
    return [*summary.tables, ("Claims", pd.DataFrame(rows))]


def _rows(frame: pd.DataFrame, links: dict[str, str]) -> dict[str, Any]:
    """Cells with their style, and their link, if any."""
    kinds = [_kind(frame[column]) for column in frame.columns]
    return {
        "columns": list(zip(frame.columns, kinds, strict=True)),
        "rows": [
            [
                (value, kind, links.get(value.partition(": “")[0]))
                for value, kind in zip(row, kinds, strict=True)
            ]
            for row in frame.astype(str).to_numpy()
        ],
    }


def _kind(column: pd.Series) -> str:
    """The style of a column: numbers, and text that starts with one, are aligned to the right."""
    values = column.astype(str)
    if values.str.len().max() > LONG:
        return "text long"
    return "" if values.str.match(r"[-+]?\d|-$").all() else "text"


def _file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "_", title.lower()).strip("_")


def _picture(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight")
    return buffer.getvalue()
