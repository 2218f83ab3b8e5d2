"""The description of a run, checked before anything else of it is read."""

import json
import math
from typing import Any

from tfbn.summary import tags
from tfbn.utils.validation import InputError

LONGEST = 160  # characters of a reason
KEYS = ("path", "channels", "epsilon", "normalizes_by", "updates", "trains")  # of a layer


class UnreadableRunError(InputError):
    """A run whose log is damaged, foreign or of a later format; the message is the reason."""


def described(data: list[Any], content: bytes) -> list[dict[str, Any]]:
    """The layers of a fit, in order, from the tensors of its tag.

    Args:
        data: TensorBoard's data of the tag, oldest first.
        content: The tag's plugin data, which has the format's version.

    Raises:
        UnreadableRunError: It is not what `tfbn.summary.about` writes.
    """
    check_version(parsed(content, "its plugin data").get("version"))
    about = parsed(text(data), "its description")
    check_version(about.get("version"))
    layers = about.get("layers")
    if not isinstance(layers, list) or not layers:
        raise UnreadableRunError("its description has no list of layers")
    for number, layer in enumerate(layers):
        if not isinstance(layer, dict) or not _is_layer(layer):
            raise UnreadableRunError(f"layer {number} of its description is malformed")
    if len({layer["path"] for layer in layers}) < len(layers):
        raise UnreadableRunError("two layers of its description have one path")
    return [{key: layer.get(key) for key in KEYS} for layer in layers]


def check_version(version: Any) -> None:
    """Raises unless this version of the format can be read."""
    if type(version) is not int or version < 1:
        raise UnreadableRunError(f"it has no version of the log format: {shortened(repr(version))}")
    if version > tags.VERSION:
        raise UnreadableRunError(
            f"its log has format {shortened(str(version))}, and this tfbn reads up to {tags.VERSION}: "
            "update tfbn where TensorBoard runs"
        )


def text(data: list[Any]) -> bytes:
    """The last tensor of a tag, which must be one text."""
    value = data[-1].numpy if data else None
    if value is None or value.size != 1 or value.dtype.kind not in "OSU":
        raise UnreadableRunError("its description is no text")
    item = value.item()
    return item.encode() if isinstance(item, str) else bytes(item)


def parsed(content: bytes, what: str) -> dict[str, Any]:
    """JSON of one object, strict: NaN and infinity are not JSON."""
    try:
        value = json.loads(content, parse_constant=_no_constant)
    except RecursionError as error:
        raise UnreadableRunError(f"{what} is nested too deep") from error
    except ValueError as error:
        raise UnreadableRunError(f"{what} is no JSON: {shortened(str(error))}") from error
    if not isinstance(value, dict):
        raise UnreadableRunError(f"{what} is no JSON object, but of type {type(value).__name__}")
    return value


def shortened(reason: str) -> str:
    """A reason that is never longer than `LONGEST`.

    Example:

    >>> len(shortened("x" * 1000))
    160
    """
    return reason if len(reason) <= LONGEST else f"{reason[: LONGEST - 1]}…"


def _no_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def _is_layer(layer: dict[str, Any]) -> bool:
    return (
        isinstance(layer.get("path"), str)
        and type(layer.get("channels")) is int
        and layer["channels"] > 0
        and type(layer.get("epsilon")) in (int, float)
        and math.isfinite(layer["epsilon"])
        and layer.get("normalizes_by") in (None, "batch", "moving")
        and all(layer.get(flag) in (None, True, False) for flag in ("updates", "trains"))
    )
