"""A fault that was found, which prints and serializes."""

import dataclasses
import math
import numbers
from typing import Any

from tfbn.utils.validation import check_at_least, fail

PAGES = ("https://", "docs/")
PAGE = "docs/doctor.md"


@dataclasses.dataclass(frozen=True)
class Finding:
    """A fault, its location, the evidence, and a remedy.

    Args:
        name: The fault, such as `"slow-momentum"`.
        layers: Paths of the layers concerned; empty if it concerns the whole model.
        measured: The measurement, text with a unit or a finite number; None if nothing was measured.
        expected: The expected value, likewise.
        cause: One sentence on why this goes wrong.
        remedy: A line of code, or a sentence.
        step: The train step at which it was found; None before training.
        link: A page that explains it, `https://...` or a page of tfbn's docs, `docs/...`; empty if
            there is none.

    Raises:
        ValueError: A text is empty or no text, the step is negative, a number is not finite, or
            the link is neither kind of page.

    Example:

    >>> finding = Finding("few-values", ("bn",), "1 value", "at least 16", "The batch is small.", "...")
    >>> finding.to_dict()["layers"], finding.where
    (['bn'], 'bn')
    """

    name: str
    layers: tuple[str, ...]
    measured: float | str | None
    expected: float | str | None
    cause: str
    remedy: str
    step: int | None = None
    link: str = ""

    def __post_init__(self) -> None:
        for field in ("name", "cause", "remedy"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value:
                raise fail(field, "to be text that is not empty", value)
        if not isinstance(self.layers, tuple) or not all(isinstance(path, str) for path in self.layers):
            raise fail("layers", "to be a tuple of layers' paths", self.layers)
        if self.step is not None:
            check_at_least("step", self.step, 0)
        for field in ("measured", "expected"):
            value = getattr(self, field)
            if not (value is None or isinstance(value, str) or _is_finite(value)):
                raise fail(field, "to be a finite number, text or None", value)
        if not isinstance(self.link, str) or not (self.link == "" or self.link.startswith(PAGES)):
            raise fail("link", f"to be empty or to begin with one of {list(PAGES)}", self.link)

    @property
    def where(self) -> str:
        """A short description of the layers."""
        if not self.layers:
            return "the model"
        shown = ", ".join(self.layers[:2])
        return shown if len(self.layers) <= 2 else f"{len(self.layers)} layers: {shown}, ..."

    def to_dict(self) -> dict[str, Any]:
        """The attributes, ready for JSON."""
        values = {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}
        return values | {"layers": list(self.layers)}

    def at_layers(self) -> list[dict[str, Any]]:
        """The same at each layer that it concerns, as the BatchNorm tab shows it; step 0 is before training.

        Example:

        >>> finding = Finding("nan", ("a", "b"), None, None, "A loss became NaN.", "clip gradients", 3)
        >>> [(one["layer"], one["step"]) for one in finding.at_layers()]
        [('a', 3), ('b', 3)]
        """
        values = self.to_dict() | {"step": int(self.step or 0)}
        del values["layers"]
        return [{**values, "layer": layer} for layer in self.layers or (None,)]


def fault(
    name: str, layers: tuple[str, ...], measured: str, expected: str, cause: str, remedy: str
) -> Finding:
    """A finding of the doctor's own, with the heading that explains it."""
    return Finding(name, layers, measured, expected, cause, remedy, link=f"{PAGE}#{name}")


def _is_finite(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)
