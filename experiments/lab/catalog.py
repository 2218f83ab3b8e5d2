"""Every experiment by its name."""

import importlib
from pathlib import Path

from tfbn.utils.validation import check_choice, fail

from .experiment import Experiment, Question

# "experiments" in a checkout, "tfbn.experiments" where the wheel is installed.
PACKAGE = __package__.rpartition(".")[0]


def names() -> tuple[str, ...]:
    """The names of all binaries in alphabetical order.

    Example:

    >>> "frozen_batchnorm" in names()
    True
    """
    return tuple(sorted(path.parent.name for path in Path(__file__).parents[1].glob("*/__main__.py")))


def load(name: str) -> Question:
    """The experiment or collection of that name.

    Raises:
        InputError: There is none of that name; similar names are listed.
    """
    check_choice("experiment", name, names())
    return importlib.import_module(f"{PACKAGE}.{name}.__main__").EXPERIMENT


def load_experiment(name: str) -> Experiment:
    """Like `load`, but raises `InputError` for a collection, which has no runs itself."""
    found = load(name)
    if not isinstance(found, Experiment):
        raise fail("experiment", "to be one with runs of its own", name)
    return found
