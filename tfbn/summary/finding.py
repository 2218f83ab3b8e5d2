"""One fault of a training run, in words and numbers."""

import dataclasses
import math
import numbers
from typing import Any

from tfbn.utils.validation import check_at_least, fail

PAGES = ("https://", "docs/")


@dataclasses.dataclass(frozen=True)
class Finding:
    """A fault that was found in a training run, and what to do about it.

    Args:
        name: Its name, as `"frozen_layers_move"`.
        step: The training step at which it began.
        cause: Why it happens, in a sentence.
        remedy: What to do, in a line of code or a sentence.
        layer: The path of the BatchNormalization layer; `None` if it is about the whole model.
        measured: What was measured, a finite number or text; `None` if nothing was.
        expected: What was expected instead, likewise.
        link: A page that explains it, `https://...` or a page of tfbn's docs, `docs/...`; empty if
            there is none.

    Raises:
        ValueError: A text is empty or no text, the step is negative, a number is not finite, or
            the link is neither kind of page.

    Example:

    >>> finding = Finding("frozen_layers_move", 40, "Its statistics are held.", "tfbn.freeze(model)", "bn")
    >>> finding.layer, finding.step
    ('bn', 40)
    """

    name: str
    step: int
    cause: str
    remedy: str
    layer: str | None = None
    measured: float | str | None = None
    expected: float | str | None = None
    link: str = ""

    def __post_init__(self) -> None:
        for field in ("name", "cause", "remedy"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value:
                raise fail(field, "to be text that is not empty", value)
        check_at_least("step", self.step, 0)
        if self.layer is not None and not isinstance(self.layer, str):
            raise fail("layer", "to be a layer's path or None", self.layer)
        for field in ("measured", "expected"):
            value = getattr(self, field)
            if not (value is None or isinstance(value, str) or _is_finite(value)):
                raise fail(field, "to be a finite number, text or None", value)
        if not isinstance(self.link, str) or not (self.link == "" or self.link.startswith(PAGES)):
            raise fail("link", f"to be empty or to begin with one of {list(PAGES)}", self.link)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON.

        Example:

        >>> Finding("nan", 3, "A loss became NaN.", "clip gradients").as_dict()["step"]
        3
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: _plain(value) for name, value in values.items()}


def _is_finite(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _plain(value: Any) -> Any:
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value
