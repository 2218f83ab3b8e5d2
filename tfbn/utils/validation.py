"""Checks of what a user passes in, with one wording for every error.

Each check raises `InputError`, a `ValueError`, with the text
"Expected `name` to be ... Received: name=value" before any work is done.
"""

import contextlib
import difflib
import math
import numbers
from collections.abc import Iterable, Iterator
from typing import Any


class InputError(ValueError):
    """A user's mistake; the binaries print it without a traceback."""


def fail(name: str, expected: str, value: Any) -> InputError:
    """The error for a bad argument, to be raised by the caller.

    Args:
        name: The argument, as the user wrote it.
        expected: What would have been right, as "to be a positive integer".
        value: What came instead.

    Returns:
        An `InputError` with the house wording.

    Example:

    >>> print(fail("seeds", "to be at least 1", 0))
    Expected `seeds` to be at least 1. Received: seeds=0
    """
    return InputError(f"Expected `{name}` {expected}. Received: {name}={value!r}")


@contextlib.contextmanager
def named_as(**typed: str) -> Iterator[None]:
    """Has an error name what the user typed in place of a function's argument.

    Args:
        **typed: Argument to the name that was typed.

    Example:

    >>> with named_as(layers="frozen"):
    ...     raise fail("layers", "to match a layer", "stem9")
    Traceback (most recent call last):
    tfbn.utils.validation.InputError: Expected `frozen` to match a layer. Received: frozen='stem9'
    """
    try:
        yield
    except InputError as error:
        message = str(error)
        for argument, name in typed.items():
            message = message.replace(f"`{argument}`", f"`{name}`")
            message = message.replace(f"Received: {argument}=", f"Received: {name}=")
        raise InputError(message) from error


def near_names(name: str, known: Iterable[str]) -> str:
    """A hint listing known names that look like `name`, or all of a short list.

    Example:

    >>> near_names("contrst", ["contrast", "noise"])
    'did you mean contrast?'
    """
    known = sorted(set(known))
    close = difflib.get_close_matches(str(name), known, n=5, cutoff=0.5)
    if close:
        return f"did you mean {', '.join(close)}?"
    shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    return f"there are: {shown}" if known else "there are none"


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Returns `value` if it is one of `choices`; raises with near names if not."""
    choices = list(choices)
    if value not in choices:
        near = near_names(value, choices)
        hint = f" ({near})" if near.startswith("did you mean") else ""  # the choices are listed already
        raise fail(name, f"to be one of {choices}{hint}", value)
    return value


def check_flag(name: str, value: Any) -> bool | None:
    """Returns `value` if it is True, False or None."""
    if value is None or isinstance(value, bool):
        return value
    raise fail(name, "to be True, False or None", value)


def check_between(name: str, value: Any, low: float, high: float) -> float:
    """Returns `value` as a float if it is a finite number in [low, high]; `high` may be infinite."""
    # `not low <= value <= high` also catches NaN.
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not low <= float(value) <= high or math.isinf(value):
        what = f"a number in [{low}, {high}]" if math.isfinite(high) else f"a finite number of at least {low}"
        raise fail(name, f"to be {what}", value)
    return float(value)


def check_at_least(name: str, value: Any, low: int) -> int:
    """Returns `value` as an int if it is a whole number of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        raise fail(name, f"to be a whole number of at least {low}", value)
    return int(value)
