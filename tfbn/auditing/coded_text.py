"""A warning of the audit: text that carries a code, so that other code need not read it."""

from typing import Literal, get_args

Code = Literal[
    "overridden-call-site",
    "call-site-beats-layer",
    "training-in-evaluate",
    "batch-in-inference",
    "initial-statistics",
    "dead-channels",
    "broken-statistics",
    "bias-before",
    "one-value",
    "few-values",
    "own-steps",
    "leaking-call-site",
    "lost-in-saving",
    "averaged-weights",
    "changed-after-compile",
    "frozen-elsewhere",
    "not-observed",
]
CODES: tuple[str, ...] = get_args(Code)


class CodedText(str):
    """The text of a warning.

    Attributes:
        code: What it is about, one of `CODES`.

    Example:

    >>> warning = CodedText("few-values", "8 values per channel")
    >>> warning, warning.code
    ('8 values per channel', 'few-values')
    """

    code: Code

    def __new__(cls, code: Code, text: str) -> "CodedText":
        warning = super().__new__(cls, text)
        warning.code = code
        return warning

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return self.code, str(self)
