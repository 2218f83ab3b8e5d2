"""Reuses a built and traced model for several runs with fresh weights: tracing costs as much as 20 steps."""

import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

from ..lab.experiment import Cell, Named, grid

T = TypeVar("T")

KEPT = 2  # models in a process
LIMIT = 2**26  # bytes of remembered states
_kept: dict[Hashable, Any] = {}
_states: dict[Hashable, list[Any]] = {}


def model_for(key: Hashable, build: Callable[[], Any], start: Hashable = None) -> Any:
    """The model from `build`, or an earlier one with the same key, reset to the new weights and seeds.

    Only the last two models are kept in a process, so runs with the same key should be
    consecutive, or alternate with those of another key (see `taking_turns`).

    Args:
        key: Everything that the graph and the optimizer's settings depend on.
        build: Makes a compiled model; the models of one key differ in their weights alone.
        start: Everything that the weights and seeds of a new model depend on; models of several keys can
            share them. Where they are remembered, nothing is built. None: always build.
    """
    if key in _kept and start in _states:
        restart(_kept[key], _states[start])
        return _kept[key]
    fresh = build()
    if start is not None:
        _remember(start, state_of(fresh))
    if key not in _kept:
        while len(_kept) >= KEPT:
            _kept.pop(next(iter(_kept)))
        _kept[key] = fresh
        return fresh
    kept = _kept[key]
    restart(kept, state_of(fresh))
    return kept


def taking_turns(groups: Iterable[Sequence[T]]) -> list[T]:
    """The members of groups, two groups at a time, alternating.

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


def arm_by_arm(conditions: Named, arms: Iterable[str], seeds: int) -> list[Cell]:
    """Every arm under every condition with every seed, the runs of one arm after each other.

    Two arms at a time, see `taking_turns`.

    Example:

    >>> [cell.arm for cell in arm_by_arm(["none"], ["a", "b", "c"], seeds=2)]
    ['a', 'b', 'a', 'b', 'c', 'c']
    """
    return taking_turns(grid(conditions, [arm], seeds) for arm in arms)


def _remember(start: Hashable, state: list[Any]) -> None:
    """Keeps a state, and drops the oldest where they are too large together."""
    _states[start] = state
    while sum(value.nbytes for each in _states.values() for value in each) > LIMIT:
        del _states[next(iter(_states))]


def state_of(model: Any) -> list[Any]:
    """Copies of the weights, and of the seeds of Dropout and its like."""
    return [variable.numpy() for variable in _state(model)]


def restart(model: Any, state: list[Any]) -> None:
    """Resets a compiled model to a state from `state_of`, and its optimizer to before the first step."""
    for variable, value in zip(_state(model), state, strict=True):
        variable.assign(value)
    optimizer = model.optimizer
    for variable in optimizer.variables:
        if variable is not optimizer.learning_rate:
            variable.assign(variable * 0)


def _state(model: Any) -> list[Any]:
    counted = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in counted]
