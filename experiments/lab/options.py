"""Fields of a config with a help text and bounds."""

import dataclasses
import math
from typing import Any

from tfbn.utils import validation


def option(
    default: Any,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    repeated: bool = False,
    may_be_empty: bool = False,
) -> Any:
    """A dataclass field of a config.

    Args:
        default: Its default; a tuple makes it a list of values.
        help: One line for `--help`, with the unit.
        low: The least value allowed.
        high: The greatest value allowed.
        choices: The values allowed, for text or for each text of a tuple.
        repeated: Whether a list is given by repeating the flag, since its values contain commas.
        may_be_empty: Whether a list with a nonempty default may be empty.

    Example:

    >>> @dataclasses.dataclass(frozen=True)
    ... class Config:
    ...     seeds: int = option(5, "How many seeds.", low=1)
    >>> check(Config(seeds=0))
    Traceback (most recent call last):
    tfbn.utils.validation.InputError: Expected `seeds` to be a whole number of at least 1. Received: seeds=0
    """
    metadata = {"help": help, "low": low, "high": high, "choices": choices, "repeated": repeated}
    metadata["may_be_empty"] = may_be_empty
    return dataclasses.field(default=default, metadata=metadata)


def check(config: Any) -> None:
    """Raises `InputError` at the first option whose value is out of bounds."""
    for field in dataclasses.fields(config):
        _check_field(field, getattr(config, field.name))


def _check_field(field: dataclasses.Field, value: Any) -> None:
    low, high, choices = (field.metadata.get(key) for key in ("low", "high", "choices"))
    values = value if isinstance(value, tuple) else (value,)
    if not values and field.default and not field.metadata.get("may_be_empty"):
        raise validation.fail(field.name, "to name at least one", value)
    if len(set(values)) < len(values):
        raise validation.fail(field.name, "to name each once", value)
    for each in values:
        if choices is not None:
            validation.check_choice(field.name, each, choices)
        if low is None and high is None:
            continue
        if isinstance(each, int) and low is not None and high is None:
            validation.check_at_least(field.name, each, math.ceil(low))
        else:
            validation.check_between(
                field.name, each, -math.inf if low is None else low, math.inf if high is None else high
            )
