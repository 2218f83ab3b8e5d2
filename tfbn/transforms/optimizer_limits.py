"""Checks which optimizers can adopt variables later; others are refused before anything changes."""

from typing import Any

import keras

from tfbn.graph.keras_internals import optimizers as internals
from tfbn.graph.keras_internals.optimizer_twin import TWINS
from tfbn.utils.validation import InputError


def refusal(optimizer: Any, reason: str) -> InputError:
    """The error for an optimizer that cannot follow."""
    return InputError(
        "Expected `optimizer` to be one that can take in variables that join later, or not to be built yet; "
        "otherwise, set the flags first and compile with a new optimizer. "
        f"Received: optimizer={optimizer!r}: {reason}"
    )


def made_with_it(optimizer: Any) -> list[Any]:
    """The variables that an optimizer saves and had before its `build`: step count and learning rate."""
    later = {id(slot) for value in internals.slots(optimizer).values() for slot in _values(value)}
    later |= {id(value) for value in internals.own_state(optimizer).values()}
    return [v for v in internals.tracked_variables(optimizer) if id(v) not in later]


def check_extendable(optimizer: Any, step: int = 0) -> None:
    """Raises if an optimizer is wrapped, wraps another, or may combine the gradients of all variables.

    Args:
        optimizer: The optimizer.
        step: Its step count. From the first step on, variables that join are updated apart.
    """
    state = vars(optimizer)
    if "apply" in state and TWINS not in state:
        raise refusal(optimizer, "its `apply` was replaced on the object")
    wrapped = [name for name, value in state.items() if isinstance(value, keras.optimizers.Optimizer)]
    if wrapped:
        raise refusal(optimizer, f"it wraps another optimizer, in `{wrapped[0]}`")
    own = internals.own_code_for_all_gradients(optimizer)
    if own and step:
        raise refusal(
            optimizer,
            f"{type(optimizer).__name__} has its own `{own}`, which gets the gradients of all variables at "
            "once, and variables that join after the first step are updated apart",
        )


def check_extended(optimizer: Any, twin: Any, final: dict[int, Any], state: dict[str, Any]) -> None:
    """Raises if a twin's `build` does not create the state that the optimizer has.

    Args:
        optimizer: The optimizer.
        twin: Its twin, built for all variables.
        final: The final variable for each of the twin's variables, by id.
        state: The twin's optimizer-wide state.
    """
    odd = [name for name in internals.own_state(optimizer) if name not in state]
    if odd:
        raise refusal(optimizer, f"it has state that its `build` does not make, in `{odd[0]}`")
    if len(made_with_it(optimizer)) > 2 or any(id(v) not in final for v in internals.tracked_variables(twin)):
        raise refusal(
            optimizer, "it keeps state neither in lists with a place for each variable nor in dicts"
        )
    if state and keras.backend.backend() == "jax" and internals.counted_steps(optimizer):
        raise refusal(optimizer, f"on JAX `{next(iter(state))}` is one for all variables")


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else list(value)
