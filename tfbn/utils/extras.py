"""Checks that the packages of an extra are installed before they are needed."""

import importlib.util

from tfbn.utils.validation import InputError

# Modules of the extra [experiments], apart from those that TensorFlow itself needs.
EXPERIMENTS = (
    "importlib_resources",
    "jinja2",
    "matplotlib",
    "mlxtend",
    "scipy",
    "sklearn",
    "tensorflow_datasets",
)


def check_installed(*modules: str, extra: str = "experiments") -> None:
    """Raises `InputError` if a module is missing, with the command that installs it; imports nothing.

    Args:
        modules: Top-level names.
        extra: The extra that has them.

    Example:

    >>> check_installed("json", "no_such_module")
    Traceback (most recent call last):
    tfbn.utils.validation.InputError: Expected no_such_module to be installed: ...
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise InputError(
            f'Expected {", ".join(missing)} to be installed: pip install "tfbn[{extra}]". '
            "Received: no module of that name"
        )
