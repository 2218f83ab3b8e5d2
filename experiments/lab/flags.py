"""Flags made from a config class, and a config made from the flags.

The only place that reads flags: everything below a binary receives values.
"""

import dataclasses
import sys
from typing import Any, TypeVar

from absl import flags

T = TypeVar("T")

_DEFINE: dict[type, Any] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}


class _NumbersParser(flags.ListParser):
    """A list of numbers, of the type of its default values."""

    def __init__(self, kind: type):
        super().__init__()
        self.kind = kind

    def parse(self, argument: Any) -> list[Any]:
        return [self.kind(part) for part in super().parse(argument)]


def _define_numbers(name: str, default: list[Any], help: str, flag_values: flags.FlagValues) -> None:
    parser, serializer = _NumbersParser(type(default[0])), flags.CsvListSerializer(",")
    flags.DEFINE(parser, name, default, help, flag_values, serializer)


def define(config_class: type, flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag for each option of `config_class`, with its default and help."""
    for field in dataclasses.fields(config_class):
        default: Any = list(field.default) if isinstance(field.default, tuple) else field.default
        kind = str if field.default is None else type(field.default)
        make = flags.DEFINE_multi_string if field.metadata["repeated"] else _DEFINE[kind]
        if isinstance(default, list) and default and not isinstance(default[0], str):
            make = _define_numbers
        make(field.name, default, field.metadata["help"], flag_values=flag_values)
        # So that --help lists it as the binary's own.
        flag_values.register_key_flag_for_module(sys.argv[0], flag_values[field.name])


def read(config_class: type[T], flag_values: flags.FlagValues = flags.FLAGS) -> T:
    """The config from the parsed flags."""
    values = {field.name: flag_values[field.name].value for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    return config_class(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    )
