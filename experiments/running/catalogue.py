"""Every experiment by its name."""

import importlib
import pkgutil

import experiments
from experiments.running.experiment import Experiment
from tfbn.validation import check_choice


def names() -> tuple[str, ...]:
    """The names of all binaries, by alphabet.

    Example:

    >>> "frozen_batchnorm" in names()
    True
    """
    modules = (module.name for module in pkgutil.iter_modules(experiments.__path__) if not module.ispkg)
    return tuple(sorted(name for name in modules if name != "quiet_tensorflow"))


def load(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        InputError: There is none; near names are listed.
    """
    check_choice("experiment", name, names())
    return importlib.import_module(f"experiments.{name}").EXPERIMENT
