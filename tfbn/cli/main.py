"""Parses a command line and runs its command."""

import os
import re
import sys
from collections.abc import Sequence

from absl import flags

from tfbn.cli import options
from tfbn.utils.pipes import reader_may_leave
from tfbn.utils.short_warnings import short_warnings
from tfbn.utils.validation import InputError, near_names

EXIT_USER_ERROR, EXIT_STOPPED = 2, 130
HELP = {"help", "-h", "--help", "-help", "--helpfull", "--helpshort"}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command named by the arguments. A user's mistake gives a one-line message and exit status 2.

    Args:
        argv: The arguments, without the program's name; None: those of this process.

    Returns:
        The exit status.

    Example:

    >>> main(["audt"])
    2
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except InputError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return EXIT_STOPPED
    except OSError as error:
        return _refuse(str(error))


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in HELP:
        _print(options.overview())
        return 0 if arguments else EXIT_USER_ERROR
    name, *others = arguments
    if name not in options.COMMANDS:
        near = near_names(name, options.COMMANDS)
        raise InputError(f"Expected a command ({near}). Received: {name}")
    command = options.COMMANDS[name]
    if name == "run":
        from tfbn.cli import experiments

        return experiments.run(others)
    if any(argument in HELP for argument in others):
        _print(options.help_of(command))
        return 0
    values = options.flag_values(command, name)
    file = _parsed(command, values, others)
    _prepare_tensorflow()
    from tfbn.cli import commands

    try:
        with short_warnings():
            answer = commands.COMMANDS[name](file, values)
    except InputError as error:
        raise InputError(_as_typed(str(error), values)) from error
    _print(answer)
    return 0


def _print(text: str) -> None:
    with reader_may_leave():
        print(text)


def _parsed(command: options.Command, values: flags.FlagValues, arguments: list[str]) -> str:
    """Reads the flags; returns FILE."""
    try:
        rest = values([f"tfbn {command.name}", *arguments])[1:]
    except (flags.Error, ValueError) as error:
        said = str(error).removesuffix(" ?")
        raise InputError(f"{said}. See tfbn {command.name} --help.") from None
    if len(rest) != 1:
        raise InputError(
            f"Expected one {command.takes} after `tfbn {command.name}`. Received: {' '.join(rest) or 'none'}"
        )
    missing = [f"--{name}" for name in command.needs if not values[name].value]
    if missing:
        raise InputError(f"Expected {' and '.join(missing)} to be given. Received: none")
    return rest[0]


def _prepare_tensorflow() -> None:
    """Turns on TensorFlow's oneDNN kernels, also where it would leave them off, and silences its log."""
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from tfbn.utils.quiet import load_tensorflow

    load_tensorflow()


# Argument of a library function -> the flag that sets it.
_TYPED = {
    "layers": ("frozen", "up_to"),
    "most": ("most_images",),
    "most_examples": ("most_images",),
    "model": ("FILE",),
    "name": ("FILE",),
}


def _as_typed(message: str, values: flags.FlagValues) -> str:
    """Replaces the names of arguments in a message by those of flags."""

    def typed(argument: str) -> str | None:
        names = _TYPED.get(argument, (argument,))
        return next((name for name in names if name in values or name == "FILE"), None)

    def flag(found: re.Match[str]) -> str:
        name = typed(found[1])
        return found[0] if name is None else name if name == "FILE" else f"--{name}"

    message = re.sub(r"`(\w+)`", flag, message)
    return re.sub(r"(?<=Received: )(\w+)(?==)", lambda found: typed(found[1]) or found[1], message)


def _refuse(message: str) -> int:
    print(f"Error: {' '.join(message.split())}", file=sys.stderr)
    return EXIT_USER_ERROR
