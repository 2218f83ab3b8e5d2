"""The result of an audit, as rows and as text."""

import collections
import dataclasses
import itertools
import textwrap
from typing import TYPE_CHECKING

from tfbn.auditing.coded_text import CodedText
from tfbn.layers import modes
from tfbn.utils.text_tables import text_table

if TYPE_CHECKING:
    import pandas as pd

HEADINGS = ("layer", "class", "channels", "fit: normalizes by", "statistics", "gamma, beta", "evaluate")
FOLD_ABOVE = 60  # rows; longer tables merge neighbors that are alike
WIDTH = 110


@dataclasses.dataclass(frozen=True)
class Row:
    """One BatchNormalization layer.

    Attributes:
        path: Its path, see `tfbn.traversal.NamedLayer`.
        kind: `"tfbn"`, `"stock"`, or the name of another subclass.
        channels: Number of channels.
        fit: What it does in `fit`.
        evaluate: What it does in `evaluate` and `predict`.
        warnings: What to look at: texts, each with a `code`, see `tfbn.auditing.coded_text`.
    """

    path: str
    kind: str
    channels: int
    fit: modes.Mode
    evaluate: modes.Mode
    warnings: tuple[CodedText, ...]


@dataclasses.dataclass(frozen=True)
class Audit:
    """The rows of a model, and warnings that concern it as a whole. Prints as a table.

    Attributes:
        model: The model's name.
        rows: One for each BatchNormalization, in the model's order.
        general: Warnings about the model.
        observed: Whether the model could be run on symbolic inputs. If not, the modes
            come from the layers' flags alone, and flags at call sites are not seen.
        advice: For the batch size and the steps that were given: how far the moving
            statistics will have moved, the fewest values per channel, dead channels, what to try.
    """

    model: str
    rows: tuple[Row, ...]
    general: tuple[CodedText, ...]
    observed: bool
    advice: tuple[str, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """Every warning once, with the layers that it is about."""
        about: dict[str, list[str]] = collections.defaultdict(list)
        for row in self.rows:
            for warning in row.warnings:
                about[warning].append(row.path)
        return [*self.general, *(f"{text} ({_listed(paths)})" for text, paths in about.items())]

    def to_frame(self) -> "pd.DataFrame":
        """A pandas DataFrame with one row for each layer."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "path": row.path,
                    "kind": row.kind,
                    "channels": row.channels,
                    "fit_normalizes_by": row.fit.normalizes_by,
                    "fit_updates": row.fit.updates,
                    "trains": row.fit.trains,
                    "evaluate_normalizes_by": row.evaluate.normalizes_by,
                    "evaluate_updates": row.evaluate.updates,
                    "warnings": "; ".join(row.warnings),
                }
                for row in self.rows
            ]
        )

    def __str__(self) -> str:
        return _render(self)


def _render(audit: Audit) -> str:
    """The table, a line that sums it up, and the warnings, as plain text."""
    groups = _groups(audit.rows) if len(audit.rows) > FOLD_ABOVE else [[row] for row in audit.rows]
    table = text_table(HEADINGS, map(_cells, groups), right=["channels"], width=WIDTH)
    advice = [textwrap.fill(text, WIDTH, subsequent_indent="  ") for text in audit.advice]
    return "\n".join([table, "", textwrap.fill(_sum(audit), WIDTH), *_warnings(audit), *advice])


def _groups(rows: tuple[Row, ...]) -> list[list[Row]]:
    """Groups of neighbors with the same behavior."""
    keyed = itertools.groupby(rows, key=lambda row: (row.kind, row.fit, row.evaluate))
    return [list(group) for _, group in keyed]


def _cells(group: list[Row]) -> list[str]:
    row = group[0]
    name = row.path if len(group) == 1 else f"{row.path} ... {group[-1].path} ({len(group)} layers)"
    channels = sorted({each.channels for each in group})
    return [
        name,
        row.kind,
        str(channels[0]) if len(channels) == 1 else f"{channels[0]}-{channels[-1]}",
        row.fit.normalizes_by,
        "update" if row.fit.updates else "held",
        "train" if row.fit.trains else "frozen",
        f"{row.evaluate.normalizes_by}, {'UPDATE' if row.evaluate.updates else 'held'}",
    ]


def _sum(audit: Audit) -> str:
    rows = audit.rows
    batch = sum(row.fit.normalizes_by == "batch" for row in rows)
    return (
        f"{audit.model}: {len(rows)} BatchNormalization layers. In fit {batch} normalize by the batch, "
        f"{sum(row.fit.updates for row in rows)} update their statistics, "
        f"{sum(row.fit.trains for row in rows)} train gamma or beta."
    )


def _warnings(audit: Audit) -> list[str]:
    wrapped = (
        textwrap.fill(text, WIDTH, initial_indent="! ", subsequent_indent="  ") for text in audit.warnings
    )
    return list(wrapped)


def _listed(paths: list[str]) -> str:
    shown = ", ".join(paths[:3])
    return shown if len(paths) <= 3 else f"{len(paths)} layers: {shown}, ..."
