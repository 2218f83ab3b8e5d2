"""The package's docstrings are Markdown in Google's layout; Sphinx reads reStructuredText."""

import re

_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def to_restructured_text(text: str) -> str:
    """Code spans and tables of a docstring in reStructuredText; examples stay as they are.

    Example:

    >>> print(to_restructured_text("`a` is\\n\\n| b | c |\\n|---|---|\\n| 1 | `x` |"))
    ``a`` is
    <BLANKLINE>
    .. list-table::
       :header-rows: 1
    <BLANKLINE>
       * - b
         - c
       * - 1
         - ``x``
    <BLANKLINE>
    """
    paragraphs = re.split(r"\n(?=\s*\n)", text)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(map(_paragraph, paragraphs)))


def _paragraph(text: str) -> str:
    if ">>>" in text:
        return text
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if line.lstrip().startswith("|")), None)
    if first is None:
        return _with_code(text)
    last = max(i for i, line in enumerate(lines) if line.lstrip().startswith("|"))
    before, rows, after = lines[:first], lines[first : last + 1], lines[last + 1 :]
    return "\n".join([*map(_with_code, before), *_table(rows), *map(_with_code, after)])


def _with_code(text: str) -> str:
    return _CODE.sub(lambda match: f"``{match[1].strip()}``", text)


def _table(rows: list[str]) -> list[str]:
    indent = " " * (len(rows[0]) - len(rows[0].lstrip()))
    cells = [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]
    body = [row for i, row in enumerate(cells) if i != 1]  # the second line is dashes
    width = max(map(len, body))
    header = any(body[0])
    out = ["", f"{indent}.. list-table::"]
    out += [f"{indent}   :header-rows: 1", ""] if header else [""]
    for row in body if header else body[1:]:
        padded = row + [""] * (width - len(row))
        out.append(f"{indent}   * - {_with_code(padded[0])}".rstrip())
        out += [f"{indent}     - {_with_code(cell)}".rstrip() for cell in padded[1:]]
    return [*out, ""]
