"""One built and traced model for several runs, each with fresh weights: tracing costs as much as 20 steps."""

import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

KEPT = 2  # models in a process
_kept: dict[Hashable, Any] = {}


def model_for(key: Hashable, build: Callable[[], Any]) -> Any:
    """What `build` gives, or a model of that key that it gave before, with the new one's weights and seeds.

    Only the last two models are kept in a process, so runs of one key should follow each
    other, or take turns with those of another one (see `taking_turns`).

    Args:
        key: Everything that the graph and the optimizer's settings depend on.
        build: Makes a compiled model; the models of one key differ in their weights alone.
    """
    fresh = build()
    if key not in _kept:
        while len(_kept) >= KEPT:
            _kept.pop(next(iter(_kept)))
        _kept[key] = fresh
        return fresh
    kept = _kept[key]
    restart(kept, state_of(fresh))
    return kept


def taking_turns(groups: Iterable[Sequence[T]]) -> list[T]:
    """The members of groups, two groups at a time: one of each in turn.

    Of two workers that take runs in this order, each tends to stay with one group, so that
    what is traced for a group is traced by one of them.

    Example:

    >>> taking_turns(["aaa", "bb", "cc"])
    ['a', 'b', 'a', 'b', 'a', 'c', 'c']
    """
    waiting = list(groups)
    pairs = (waiting[i : i + KEPT] for i in range(0, len(waiting), KEPT))
    turns = (turn for pair in pairs for turn in itertools.zip_longest(*pair))
    return [member for turn in turns for member in turn if member is not None]


def state_of(model: Any) -> list[Any]:
    """Copies of the weights, and of the seeds of Dropout and its like."""
    return [variable.numpy() for variable in _state(model)]


def restart(model: Any, state: list[Any]) -> None:
    """Sets a compiled model as `state_of` found one of its form, the optimizer as before the first step."""
    for variable, value in zip(_state(model), state, strict=True):
        variable.assign(value)
    optimizer = model.optimizer
    for variable in optimizer.variables:
        if variable is not optimizer.learning_rate:
            variable.assign(variable * 0)


def _state(model: Any) -> list[Any]:
    counted = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in counted]
