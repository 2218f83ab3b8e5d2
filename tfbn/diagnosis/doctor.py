"""`tfbn.doctor`: faults of a model and a training plan, before the first step."""

import json
import os
from collections.abc import Iterator
from typing import Any

from tfbn.diagnosis.catalog import CHECKS
from tfbn.diagnosis.finding import Finding
from tfbn.diagnosis.plan import Plan
from tfbn.utils.files import written_whole
from tfbn.utils.validation import check_at_least


class Diagnosis(tuple[Finding, ...]):
    """What `doctor` found: a tuple of `Finding` that prints as a list.

    Example:

    >>> print(Diagnosis())
    No fault found.
    """

    def __str__(self) -> str:
        return "\n\n".join(text_of(finding) for finding in self) if self else "No fault found."

    @property
    def names(self) -> list[str]:
        """The names of the faults, each once, in the order in which they were found."""
        return list(dict.fromkeys(finding.name for finding in self))

    def to_json(self, path: str | os.PathLike) -> None:
        """Writes the findings to a JSON file, as a list of objects."""
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps([finding.to_dict() for finding in self], indent=2))


def doctor(
    model: Any,
    data: Any = None,
    *,
    batch_size: int | None = None,
    steps: int | None = None,
    saved: str | os.PathLike | None = None,
) -> Diagnosis:
    """Looks for faults of BatchNormalization that raise no error, before training.

    Each finding names the fault, the layers, what was measured and what would be right, the
    cause, and a remedy. Nothing changes. A model without a fault gives an empty result.

    Args:
        model: A built Keras model, compiled or not.
        data: The data that `fit` will get: `(x, y)`, or batches of it that can be read repeatedly.
            The labels of the first batches are read.
        batch_size: Examples per batch.
        steps: Train steps in all: epochs times steps per epoch.
        saved: A `.keras` file of the model as it is meant to be. Layers that are held there but
            not in `model` are a fault, as where weights were loaded into a model built again.

    Returns:
        A `Diagnosis`.

    Raises:
        InputError: The model has no BatchNormalization layer or is not built, a number
            is not positive, or `saved` is no such file.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(name="bn")])
    >>> found = doctor(model, batch_size=32, steps=100)
    >>> found.names, found[0].measured
    (['slow-momentum'], '63 % of the way in 100 steps at momentum 0.99')
    """
    for name, value in (("batch_size", batch_size), ("steps", steps)):
        if value is not None:
            check_at_least(name, value, 1)
    plan = Plan(model, data, batch_size, steps, saved)
    return Diagnosis(_findings(plan))


def _findings(plan: Plan) -> Iterator[Finding]:
    for check in CHECKS.values():
        yield from check(plan)


def text_of(finding: Finding) -> str:
    """Formats a finding as a paragraph, one line per attribute."""
    at = "" if finding.step is None else f" at step {finding.step}"
    return (
        f"{finding.name}{at} ({finding.where})\n"
        f"  measured: {finding.measured}\n"
        f"  expected: {finding.expected}\n"
        f"  cause:    {finding.cause}\n"
        f"  remedy:   {finding.remedy}\n"
        f"  more:     {finding.link}"
    )
