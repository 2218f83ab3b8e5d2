"""One table with the verdicts of all experiments on claims."""

import dataclasses
import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbn.utils.files import written_whole

from ..lab.decisions import FAILS, ONLY_IF
from ..lab.experiment import Summary
from ..lab.store import manifest_of
from . import table as claims

if TYPE_CHECKING:
    import pandas as pd

SMOKE = "This is a smoke run: with this few seeds and steps, its verdicts mean nothing."


def summarize(config: Any, summaries: dict[str, Summary], folder: Path) -> Summary:
    """The `Summary` of `claims`; also writes `claims.parquet` and `claims.md`."""
    table = claims.claims_table(summaries)
    said = [*([SMOKE] if config.quick else []), claims.count(table)]
    with written_whole(folder / "claims.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    with written_whole(folder / "claims.md") as temporary:
        temporary.write_text("\n".join([*_origin(config), *said, claims.markdown(table)]), encoding="utf-8")
    return Summary(
        findings=[*said, *_notable(table)],
        tables=[(title, _shown(part)) for title, part in claims.by_kind(table).items()],
        figures=_figures(summaries, table),
        limits=[
            *([SMOKE] if config.quick else []),
            "A verdict is about these runs: small networks on small gray digits, at budgets of minutes. Each "
            "experiment's own report says what it cannot show.",
            "Each interval is a 95 % interval. Verdicts use p values that are corrected (Holm) for the "
            "number of conditions of a claim, not for the number of claims.",
        ],
    )


def _origin(config: Any) -> list[str]:
    """The command, the date and the versions that made a table."""
    manifest = manifest_of("claims", config)
    versions = ", ".join(f"{name} {manifest['versions'][name]}" for name in ("tensorflow", "keras"))
    return [
        f"<!-- made by: {command(config)} -->",
        f"`{command(config)}`, {datetime.date.today()}, {versions}, {manifest['processor']}, "
        f"commit {manifest['commit'] or 'unknown'}.",
    ]


def command(config: Any) -> str:
    """The command that reproduces this table."""
    changed = [
        field
        for field in dataclasses.fields(config)
        if field.name not in ("work_dir", "workers", "open_report", "scheduler", "results", "dry_run")
        and getattr(config, field.name) != field.default
    ]
    values = {field.name: getattr(config, field.name) for field in changed}
    flags = [f"--{name}={','.join(v) if isinstance(v, tuple) else v}" for name, v in values.items()]
    return " ".join(["python -m experiments.claims", *flags])


def _shown(table: "pd.DataFrame") -> "pd.DataFrame":
    """The columns to show, with the source of each claim in parentheses."""
    sourced = table.claim.where(table.source == "", table.claim + " (" + table.source + ")")
    return table.assign(claim=sourced)[["claim", "measured", "verdict", "why", "experiment"]]


def _notable(table: "pd.DataFrame") -> list[str]:
    """The claims that do not hold, or only under a condition."""
    return [
        f"{word}: {row.claim}{f' ({row.why})' if row.why else ''}"
        for verdict, word in ((FAILS, "Does not hold"), (ONLY_IF, "Only if"))
        for row in table[table.verdict == verdict].itertuples()
    ]


def _figures(summaries: dict[str, Summary], table: "pd.DataFrame") -> list[tuple[str, str, Any]]:
    """The first plot of each experiment, with a link to its own report and what it decides."""
    from markupsafe import Markup

    figures: list[tuple[str, str, Any]] = []
    for name, summary in summaries.items():
        if not summary.figures:
            continue
        title, caption, figure = summary.figures[0]
        decided = "; ".join(
            f"{row.claim.rstrip('.')}: {row.verdict}" for row in table[table.experiment == name].itertuples()
        )
        link = Markup('{} <a href="{}/report.html">The whole report of {}</a>. {}')
        figures.append((f"{name}: {title}", link.format(caption, name, name, decided), figure))
    return figures
