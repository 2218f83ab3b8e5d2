"""Optimizers: the state of single variables and the state of the whole optimizer.

All of these names are there since Keras 3.0, those of MultiOptimizer since 3.9; `optimizer_twin` has
those that a subclass of an optimizer overrides.
"""

import contextlib
import sys
from typing import Any

import keras

# Lists and dicts of an optimizer that hold no slots.
_NO_SLOTS = ("_variables", "_trainable_variables", "_trainable_variables_indices", "_inner_optimizers")
AVERAGES = "_model_variables_moving_average"


def known_variables(optimizer: Any) -> list[Any]:
    """The variables that an optimizer was built for."""
    return list(optimizer._trainable_variables)


def tracked_variables(optimizer: Any) -> list[Any]:
    """The variables that an optimizer itself saves, in order, without those of optimizers inside it."""
    return list(optimizer._variables)


def key_of(optimizer: Any, variable: Any) -> Any:
    """The key by which an optimizer identifies a variable."""
    return optimizer._var_key(variable)


def keys_of(optimizer: Any, variables: Any) -> list[Any]:
    """The keys by which an optimizer identifies these variables."""
    return [optimizer._var_key(variable) for variable in variables]


def is_overwritten(variable: Any) -> bool:
    """Whether a variable is overwritten by its gradient, as the scales of float8 are."""
    return bool(getattr(variable, "overwrite_with_gradient", False))


def step_count(optimizer: Any) -> Any:
    """The variable that counts every call of `apply`, accumulated or not."""
    return optimizer._iterations


def counted_steps(optimizer: Any) -> int:
    """The number of calls of `apply`."""
    return int(keras.ops.convert_to_numpy(optimizer._iterations))


def inner_optimizers(optimizer: Any) -> list[Any]:
    """The optimizers among which a MultiOptimizer divides its variables."""
    return list(optimizer._inner_optimizers)


def assigned_optimizers(multi: Any) -> dict[Any, Any]:
    """A MultiOptimizer's optimizer for each variable that it knows, by the variable's key."""
    return {key: multi._inner_optimizers[i] for key, i in multi._var_to_optimizer_idx.items()}


def check_known(optimizer: Any, variables: list[Any]) -> None:
    """Raises Keras's own error if an optimizer does not know one of these variables."""
    optimizer._check_variables_are_known(variables)


def own_code_for_all_gradients(optimizer: Any) -> str | None:
    """The first method of an optimizer for all gradients that its class does not have from Keras."""
    methods = ("apply", "_backend_apply_gradients", "_clip_gradients")
    return next((name for name in methods if _module_of(type(optimizer), name) != "keras"), None)


def _module_of(kind: type, name: str) -> str:
    owner = next(each for each in kind.__mro__ if name in vars(each))
    return owner.__module__.partition(".")[0]


def gradient_sums(optimizer: Any, variables: list[Any]) -> list[Any]:
    """The accumulated gradients of these variables in an optimizer that accumulates."""
    return [optimizer._accumulated_gradients[optimizer._get_variable_index(v)] for v in variables]


def optimizer_for(multi: Any, variable: Any) -> Any:
    """The optimizer that a MultiOptimizer's map names for a variable."""
    return multi._optimizer_map(variable)


def is_from_a_map(multi: Any) -> bool:
    """Whether a MultiOptimizer lists its optimizers in a map, so that all of them are built with it."""
    return hasattr(multi._optimizer_map, "values")


def slots(optimizer: Any) -> dict[str, Any]:
    """Attributes with the state of single variables: lists with one entry per variable, or dicts."""
    count = len(optimizer._trainable_variables)
    return {
        name: value
        for name, value in vars(optimizer).items()
        if name not in _NO_SLOTS and (_is_list_of_slots(value, count) or _is_dict_of_slots(value))
    }


def own_state(optimizer: Any) -> dict[str, Any]:
    """Attributes with the state of the whole optimizer, except step count and learning rate."""
    apart = (optimizer._iterations, optimizer._learning_rate)
    return {
        name: value
        for name, value in vars(optimizer).items()
        if isinstance(value, keras.Variable) and not any(value is each for each in apart)
    }


def put(optimizer: Any, attributes: dict[str, Any]) -> None:
    """Sets attributes; variables in them are not added to what the optimizer saves."""
    with _no_tracking(optimizer):
        for name, value in attributes.items():
            setattr(optimizer, name, value)


def put_known_variables(optimizer: Any, variables: list[Any]) -> None:
    """Assigns these variables to an optimizer, without touching any state."""
    indices = {key: i for i, key in enumerate(keys_of(optimizer, variables))}
    put(optimizer, {"_trainable_variables": list(variables), "_trainable_variables_indices": indices})


def put_tracked_variables(optimizer: Any, variables: list[Any]) -> None:
    """Sets the variables that an optimizer saves, and their order."""
    put(optimizer, {"_variables": list(variables)})
    tracker = optimizer._tracker
    tracker.config["variables"] = (tracker.config["variables"][0], vars(optimizer)["_variables"])
    tracker.stored_ids["variables"] = {id(variable) for variable in variables}


def put_inner_optimizers(multi: Any, optimizers: list[Any], indices: dict[Any, int]) -> None:
    """Sets a MultiOptimizer's optimizers, and the index of the optimizer of each variable."""
    put(multi, {"_inner_optimizers": optimizers, "_var_to_optimizer_idx": indices})


def strategy_scope(optimizer: Any) -> Any:
    """The scope in which an optimizer's variables are made."""
    strategy = getattr(optimizer, "_distribution_strategy", None)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def empty_tracker(optimizer: Any, store: list[Any]) -> Any:
    """A tracker like the optimizer's that appends what it sees to `store`."""
    return type(optimizer._tracker)({"variables": (optimizer._tracker.config["variables"][0], store)})


def _is_list_of_slots(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count > 0 and all(map(_is_slot, value))


def _is_dict_of_slots(value: Any) -> bool:
    return isinstance(value, dict) and len(value) > 0 and all(map(_is_slot, value.values()))


def _is_slot(value: Any) -> bool:
    return value is None or isinstance(value, (keras.Variable, KeptSlot))


def _no_tracking(optimizer: Any) -> Any:
    return sys.modules[type(optimizer._tracker).__module__].DotNotTrackScope()


class KeptSlot:
    """Stands in for an existing slot while an optimizer's `build` creates the missing ones."""

    def assign(self, value: Any) -> None:
        """Leaves the slot as it is."""

    assign_add = assign_sub = assign
