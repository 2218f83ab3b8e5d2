"""Every public name of the package: what `tfbn` lists, and what its public modules hold."""

import inspect
import types
from collections.abc import Iterator
from typing import Any

import tfbn


def public_names() -> dict[str, Any]:
    """Functions, classes and modules by their full name, such as `"tfbn.models.build"`."""
    return dict(_of("tfbn", tfbn))


def _of(path: str, module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    for name in _exported(module):
        value = getattr(module, name)
        yield f"{path}.{name}", value
        if inspect.ismodule(value):
            yield from _of(f"{path}.{name}", value)


def _exported(module: types.ModuleType) -> list[str]:
    """What `__all__` lists; without one, the functions and classes that the module defines."""
    if hasattr(module, "__all__"):
        named = {name: getattr(module, name) for name in module.__all__}
        return [name for name, value in named.items() if _is_public_kind(value)]
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


def _is_public_kind(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)


def has_example(value: Any) -> bool:
    """Whether its docstring, or that of one of a class's own methods, shows an example."""
    members = vars(value).items() if inspect.isclass(value) else []
    values = [value, *(member for name, member in members if not name.startswith("_"))]
    return any(">>>" in (getattr(each, "__doc__", None) or "") for each in values)
