"""A second optimizer with the settings of the first, and separate state for some of the variables."""

import functools
from collections.abc import Iterable
from typing import Any

import keras

from tfbn.graph.keras_internals.optimizers import KeptSlot, empty_tracker, key_of, keys_of, slots, step_count

# Attributes that tfbn sets on an optimizer; a twin uses those of the optimizer's class.
TWINS = "_tfbn_twins"
INSTEAD = ("apply", "save_own_variables")


class StepsSince(keras.Variable):
    """The steps of an optimizer since variables joined it, for code that reads a step count.

    It has no storage: its value is the optimizer's count minus `start`, at least 0. The optimizer
    counts, so `assign_add` does nothing.
    """

    def __init__(self, count: Any, start: int):
        self.__dict__.update(vars(count), _count=count, _start=start, was_read=False)

    @property
    def value(self) -> Any:
        """The number of steps, a scalar tensor."""
        self.__dict__["was_read"] = True
        return keras.ops.maximum(keras.ops.subtract(self._count.value, self._start), 0)

    def assign_add(self, value: Any) -> Any:
        """Does nothing: the optimizer counts."""
        return self


def unbuilt_twin(optimizer: Any, kept: Iterable[Any] = ()) -> Any:
    """A twin whose `build` creates fresh state, with stand-ins for the variables `kept`.

    Args:
        optimizer: A built Keras optimizer. `build` does not change it.
        kept: Variables whose slots exist.
    """
    twin = _hollow(optimizer)
    tracked: list[Any] = []
    own = vars(twin)
    containers = {name: value for name, value in vars(optimizer).items() if _is_container(name, value)}
    empty = {*slots(optimizer), "_trainable_variables", "_trainable_variables_indices", "_variables"}
    own.update({n: type_of(v)() if n in empty else type_of(v)(v) for n, v in containers.items()})
    own.update(_variables=tracked, built=False, _tracker=empty_tracker(optimizer, tracked))
    own.update(_whole=optimizer, _kept=set(keys_of(optimizer, kept)), _elsewhere=())
    own["_before_build"] = dict(own)
    return twin


def set_by_build(twin: Any) -> dict[str, Any]:
    """The attributes that `build` gave a twin, apart from the lists of variables."""
    apart = ("_before_build", "_trainable_variables", "_trainable_variables_indices", "built")
    before = vars(twin)["_before_build"]
    return {n: v for n, v in vars(twin).items() if n not in apart and before.get(n, twin) is not v}


def built_twin(optimizer: Any, start: int, variables: list[Any], state: dict[str, Any]) -> Any:
    """A twin for some of an optimizer's variables, whose slots it shares.

    Args:
        optimizer: The optimizer, which knows the variables.
        start: The optimizer's step at which they joined.
        variables: The variables.
        state: Attributes with state of the whole, for these variables alone.
    """
    twin = _hollow(optimizer)
    places = [optimizer._trainable_variables_indices[key_of(optimizer, each)] for each in variables]
    lists = {
        name: [value[place] for place in places]
        for name, value in slots(optimizer).items()
        if isinstance(value, list)
    }
    tracked = [slot for values in lists.values() for slot in values if slot is not None]
    vars(twin).update(lists, **state)
    vars(twin).update(
        _whole=optimizer,
        _kept=set(),
        _elsewhere=(),
        _variables=[*tracked, *state.values()],
        _tracker=empty_tracker(optimizer, []),
        _trainable_variables=variables,
        _trainable_variables_indices={key: i for i, key in enumerate(keys_of(optimizer, variables))},
        _iterations=StepsSince(step_count(optimizer), start),
    )
    return twin


def type_of(container: Any) -> type:
    """The plain type, `list`, `dict` or `set`, of Keras's and TensorFlow's tracked collections."""
    return next(kind for kind in (list, dict, set) if isinstance(container, kind))


def _is_container(name: str, value: Any) -> bool:
    return isinstance(value, (list, dict, set)) and not name.startswith("_self_") and name != TWINS


def _hollow(optimizer: Any) -> Any:
    kind: Any = type(optimizer)
    return object.__new__(_twin_class(kind))


@functools.cache
def _twin_class(optimizer_class: Any) -> Any:
    """The class of an optimizer's twins: a twin looks up missing attributes on the optimizer."""

    class Twin(optimizer_class):
        def __getattribute__(self, name: str) -> Any:
            own = object.__getattribute__(self, "__dict__")
            if name in own:
                return own[name]
            theirs = vars(own["_whole"]) if "_whole" in own else {}
            if name in theirs and name not in INSTEAD:
                return theirs[name]
            return super().__getattribute__(name)

        def __setattr__(self, name: str, value: Any) -> None:
            self.__dict__[name] = self._tracker.track(value)

        @property
        def learning_rate(self) -> Any:
            return self._whole.learning_rate

        def _get_current_learning_rate(self) -> Any:
            return self._whole._get_current_learning_rate()  # at the optimizer's step

        def _clip_gradients(self, grads: Any) -> Any:
            # A norm over all gradients includes those that other twins apply.
            return super()._clip_gradients([*grads, *self._elsewhere])[: len(grads)]

        def add_variable_from_reference(self, reference_variable: Any, *args: Any, **kwargs: Any) -> Any:
            if key_of(self, reference_variable) not in self._kept:
                return super().add_variable_from_reference(reference_variable, *args, **kwargs)
            slot = KeptSlot()
            self._track_variable(slot)
            return slot

        def assign(self, variable: Any, value: Any) -> None:
            if not isinstance(variable, KeptSlot):
                super().assign(variable, value)

    Twin.__name__, Twin.__qualname__ = optimizer_class.__name__, optimizer_class.__qualname__
    return Twin
