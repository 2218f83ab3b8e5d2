"""Every experiment by its name."""

import importlib
from pathlib import Path

from tfbn.utils.validation import check_choice

from .experiment import Experiment

# "experiments" in a checkout, "tfbn.experiments" where the wheel is installed.
PACKAGE = __package__.rpartition(".")[0]


def names() -> tuple[str, ...]:
    """The names of all binaries in alphabetical order.

    Example:

    >>> "frozen_batchnorm" in names()
    True
    """
    return tuple(sorted(path.parent.name for path in Path(__file__).parents[1].glob("*/__main__.py")))


def load(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        InputError: There is none; near names are listed.
    """
    check_choice("experiment", name, names())
    return importlib.import_module(f"{PACKAGE}.{name}.__main__").EXPERIMENT
