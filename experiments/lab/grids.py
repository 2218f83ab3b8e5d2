"""A grid of options: an experiment's config for every combination of values."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from tfbn.utils.validation import fail, near_names


def points(config: Any, grid: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Every combination of the grid's values: its label, and `config` with those values.

    Args:
        config: A config, whose other options all points share.
        grid: Texts such as `"momentum=0.9,0.99"`: an option and the values that it takes.

    Raises:
        InputError: There is no such option, a value is not of its type, or one comes twice.

    Example:

    >>> from experiments.frozen_batchnorm.__main__ import Config
    >>> [label for label, _ in points(Config(), ["momentum=0.9,0.99", "batch_size=8"])]
    ['momentum=0.9,batch_size=8', 'momentum=0.99,batch_size=8']
    """
    axes = [_axis(config, text) for text in grid]
    names = [name for name, _ in axes]
    if len(set(names)) < len(names):
        raise fail("grid", "to name each option once", list(grid))
    for values in itertools.product(*(values for _, values in axes)):
        chosen = dict(zip(names, values, strict=True))
        label = ",".join(f"{name}={text}" for name, (text, _) in chosen.items())
        yield label, dataclasses.replace(config, **{name: value for name, (_, value) in chosen.items()})


def with_options(config: Any, texts: Sequence[str]) -> Any:
    """A config with options set from texts such as `"epochs=3"`; a list's values are split at commas."""
    values = dict(_split(config, text, "set") for text in texts)
    return dataclasses.replace(config, **{name: _parse(config, name, text) for name, text in values.items()})


def _axis(config: Any, text: str) -> tuple[str, list[tuple[str, Any]]]:
    name, listed = _split(config, text, "grid")
    texts = listed.split(",")
    if len(set(texts)) < len(texts):
        raise fail("grid", "to name each value once", text)
    return name, [(each, _parse(config, name, each)) for each in texts]


def _split(config: Any, text: str, flag: str) -> tuple[str, str]:
    name, equals, values = text.partition("=")
    known = [field.name for field in dataclasses.fields(config)]
    if not equals or not values:
        raise fail(flag, "to be an option and its values, such as momentum=0.9,0.99", text)
    if name not in known:
        raise fail(flag, f"to name an option of the experiment ({near_names(name, known)})", text)
    return name, values


def _parse(config: Any, name: str, text: str) -> Any:
    """A value of the type that the option has."""
    value = getattr(config, name)
    if isinstance(value, tuple):  # its values are as those that it has
        return tuple(_parse_as(type(value[0]) if value else str, name, part) for part in text.split(","))
    return _parse_as(type(value), name, text)


def _parse_as(kind: type, name: str, text: str) -> Any:
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return kind(text) if kind is not bool else _fails()
    except ValueError:
        raise fail(name, f"to be of type {kind.__name__}", text) from None


def _fails() -> Any:
    raise ValueError
