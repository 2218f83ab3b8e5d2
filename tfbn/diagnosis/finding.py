"""One fault that was found, as a value that prints and serializes."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Finding:
    """A fault, where it is, what shows it, and what to do.

    Attributes:
        name: The fault, a key of `tfbn.diagnosis.catalog.FAULTS`, such as `"slow-momentum"`.
        layers: Paths of the layers concerned; empty if it concerns the whole model.
        measured: What was found, with its unit.
        expected: What would be right.
        cause: One sentence on why this goes wrong.
        remedy: A line of code.
        step: The train step at which it was found; None before training.

    Example:

    >>> finding = Finding("few-values", ("bn",), "1 value", "at least 16", "The batch is small.", "...")
    >>> finding.to_dict()["name"], finding.link
    ('few-values', 'docs/doctor.md#few-values')
    """

    name: str
    layers: tuple[str, ...]
    measured: str
    expected: str
    cause: str
    remedy: str
    step: int | None = None

    @property
    def link(self) -> str:
        """The page and the heading that explain the fault."""
        return f"docs/doctor.md#{self.name}"

    @property
    def where(self) -> str:
        """The layers in a few words."""
        if not self.layers:
            return "the model"
        shown = ", ".join(self.layers[:2])
        return shown if len(self.layers) <= 2 else f"{len(self.layers)} layers: {shown}, ..."

    def to_dict(self) -> dict[str, Any]:
        """The attributes and the link, ready for JSON."""
        return dataclasses.asdict(self) | {"layers": list(self.layers), "link": self.link}
