"""Reuses a built and traced model for several runs with fresh weights: tracing costs as much as 20 steps."""

import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

from ..lab.experiment import Cell, Named, grid

T = TypeVar("T")

KEPT = 2  # models in a process
_kept: dict[Hashable, Any] = {}


def model_for(key: Hashable, build: Callable[[], Any]) -> Any:
    """The model from `build`, or an earlier one with the same key, reset to the new weights and seeds.

    Only the last two models are kept in a process, so runs with the same key should be
    consecutive, or alternate with those of another key (see `taking_turns`).

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
