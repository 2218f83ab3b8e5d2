"""The arguments of a request, checked, and answers as JSON."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from tensorboard.backend import http_util
from werkzeug import wrappers
from werkzeug.datastructures import MultiDict

from tfbn.utils.validation import InputError, check_choice, fail

METHODS = ("GET", "HEAD")
LONGEST = 600  # characters of the reason in an error's answer
MOST = 500  # times that one argument is given


class Arguments:
    """The arguments of a request; a missing or wrong one raises `InputError`.

    Args:
        given: Names and texts.

    Example:

    >>> Arguments({"columns": "0"}).number("columns", default=400, low=2, high=2000)
    Traceback (most recent call last):
    ...
    tfbn.utils.validation.InputError: Expected `columns` to be ... in [2, 2000]. Received: columns='0'
    """

    def __init__(self, given: Mapping[str, str]):
        self._given = given

    def text(self, name: str) -> str:
        """A text that must be there."""
        return self.texts(name)[0]

    def texts(self, name: str) -> list[str]:
        """All texts that are given under one name, at least one and each once."""
        given = self._given
        found = (
            given.getlist(name) if isinstance(given, MultiDict) else [given[name]] if name in given else []
        )
        if not found:
            raise fail(name, "to be given", None)
        if len(found) > MOST:
            raise fail(name, f"to be given at most {MOST} times", len(found))
        return list(dict.fromkeys(found))

    def choice(self, name: str, choices: Iterable[str]) -> str:
        """One of several texts."""
        return check_choice(name, self.text(name), choices)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number in a range."""
        text = self._given.get(name, str(default))
        number = _whole(text)
        if number is None or not low <= number <= high:
            raise fail(name, f"to be a whole number in [{low}, {high}]", text)
        return number

    def steps(self) -> tuple[int | None, int | None]:
        """The range of steps, `first` and `last`, both included; None: no limit."""
        first, last = self._step("first"), self._step("last")
        if first is not None and last is not None and first > last:
            raise fail("first", f"to be at most last={last}", first)
        return first, last

    def _step(self, name: str) -> int | None:
        text = self._given.get(name, "")
        number = _whole(text)
        if text and (number is None or number < 0):
            raise fail(name, "to be a step, a whole number that is not negative", text)
        return number


def _whole(text: str) -> int | None:
    # Only ASCII digits, and no more than fit 63 bits: int() takes more than a step can be.
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def answered(request: wrappers.Request, view: Callable[[], Any]) -> Any:
    """The answer of a view as JSON; of a bad request, status 400 and `{"error": reason}`.

    Only GET and HEAD are answered; a reason has at most `LONGEST` characters.
    """
    if request.method not in METHODS:
        return not_allowed(request)
    try:
        content, code = view(), 200
    except InputError as error:
        content, code = {"error": _bounded(str(error))}, 400
    return http_util.Respond(request, json.dumps(content, allow_nan=False), "application/json", code)


def not_allowed(request: wrappers.Request) -> Any:
    """Status 405, with what is allowed."""
    reason = {"error": f"Expected the method to be one of {list(METHODS)}."}
    response = http_util.Respond(request, json.dumps(reason), "application/json", 405)
    response.headers["Allow"] = ", ".join(METHODS)
    return response


def _bounded(reason: str) -> str:
    # The beginning says what was expected, the end what came.
    half = LONGEST // 2
    return reason if len(reason) <= LONGEST else f"{reason[:half]} … {reason[3 - half :]}"


def numbers(values: Iterable[float]) -> list[float | None]:
    """A list for JSON; what is not finite becomes null.

    Example:

    >>> numbers([1.5, float("nan")])
    [1.5, None]
    """
    return [value if np.isfinite(value) else None for value in np.asarray(values, np.float64).tolist()]


def matrix(values: np.ndarray) -> dict[str, Any]:
    """An array for JSON: its shape, and its float32 bytes (little-endian) in base 64.

    Example:

    >>> matrix(np.zeros((1, 2)))
    {'shape': [1, 2], 'float32': 'AAAAAAAAAAA='}
    """
    data = np.ascontiguousarray(values, "<f4")
    return {"shape": list(data.shape), "float32": base64.b64encode(data.tobytes()).decode()}
