"""Tables as plain text."""

from collections.abc import Iterable, Sequence


def text_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Sequence[str] = (),
    width: int | None = None,
) -> str:
    """A table as lines of text without colors; long cells wrap.

    Args:
        headings: Of the columns.
        rows: The cells of each row.
        right: The headings of columns that are aligned to the right.
        width: Of the whole table in characters; None: as wide as the cells need.

    Example:

    >>> print(text_table(["layer", "channels"], [["stem_bn", "8"], ["bn", "16"]], right=["channels"]))
    layer     channels
    ──────────────────
    stem_bn          8
    bn              16
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console(width=width or 100_000, highlight=False, color_system=None, force_jupyter=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
