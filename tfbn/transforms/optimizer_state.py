"""Adds variables to a user's optimizer and removes others; it stays the same object."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from tfbn.graph.keras_internals import optimizers as internals
from tfbn.graph.keras_internals.optimizer_twin import set_by_build, type_of, unbuilt_twin
from tfbn.transforms.joining import Start, put_starts, starts_of
from tfbn.transforms.optimizer_limits import check_extendable, check_extended, made_with_it, refusal

Change = Callable[[], None]


def changes_for(optimizer: Any, wanted: list[Any], step: int | None = None) -> list[Change]:
    """Plans the changes after which a built optimizer trains these variables; changes nothing yet.

    Variables that stay keep their state. Those that join start as in a fresh optimizer: fresh
    slots and averages, steps counted from here. The learning rate, or its schedule, continues.
    Variables that leave lose their state.

    Args:
        optimizer: A Keras optimizer, built.
        wanted: The variables, in the order of the model.
        step: The step count for an optimizer that trains nothing now; None if its own.

    Returns:
        Functions to be called in this order. None fails.

    Raises:
        InputError: The optimizer keeps state of a kind that cannot be extended.
    """
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise refusal(optimizer, "it is not a `keras.optimizers.Optimizer`")
    known = set(internals.keys_of(optimizer, internals.known_variables(optimizer)))
    if set(internals.keys_of(optimizer, wanted)) == known:
        return []
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        inner = changes_for(optimizer.inner_optimizer, wanted)
        return [*inner, lambda: internals.put_known_variables(optimizer, wanted)]
    if isinstance(optimizer, getattr(keras.optimizers, "MultiOptimizer", ())):
        return _changes_for_several(optimizer, wanted)
    return [_Move(optimizer, wanted, step)]


def _changes_for_several(multi: Any, wanted: list[Any]) -> list[Change]:
    """A MultiOptimizer: those that stay keep their optimizer, the map names one for each that joins."""
    before = internals.inner_optimizers(multi)
    of = internals.assigned_optimizers(multi)
    keys = internals.keys_of(multi, wanted)
    of |= {
        key: internals.optimizer_for(multi, v) for key, v in zip(keys, wanted, strict=True) if key not in of
    }
    for each in of.values():
        if not isinstance(each, keras.optimizers.Optimizer):
            raise refusal(multi, f"its map gives {each!r}, which is not an optimizer")
    shares: dict[int, list[Any]] = {}
    for key, variable in zip(keys, wanted, strict=True):
        shares.setdefault(id(of[key]), []).append(variable)
    used = list({id(of[key]): of[key] for key in keys}.values())
    # Keras lists a map's optimizers with the map, others by their first variable.
    after = [*before, *(o for o in used if o not in before)] if internals.is_from_a_map(multi) else used
    changes: list[Change] = []
    for each in after:
        share = shares.get(id(each), [])
        step = internals.counted_steps(multi)
        changes += changes_for(each, share, step) if each.built else [partial(_build, multi, each, share)]
    indices = {key: after.index(of[key]) for key in keys}
    return [
        *changes,
        lambda: internals.put_inner_optimizers(multi, after, indices),
        lambda: internals.put_known_variables(multi, wanted),
    ]


def _build(multi: Any, optimizer: Any, variables: list[Any]) -> None:
    """Builds an optimizer whose first variables these are; its schedule is where the others' are."""
    if not variables:
        return
    optimizer.loss_scale_factor = multi.loss_scale_factor
    step = internals.counted_steps(multi)
    with internals.strategy_scope(optimizer):
        optimizer.build(variables)
    internals.step_count(optimizer).assign(step)
    state = internals.own_state(optimizer) if step else {}
    put_starts(optimizer, [Start(step, frozenset(internals.keys_of(optimizer, variables)), state)])


class _Move:
    """The change of one optimizer's variables, planned when it is made and done when it is called."""

    def __init__(self, optimizer: Any, wanted: list[Any], step: int | None):
        self.optimizer, self.wanted = optimizer, wanted
        known = internals.keys_of(optimizer, internals.known_variables(optimizer))
        self.places = {key: place for place, key in enumerate(known)}
        self.keys = internals.keys_of(optimizer, wanted)
        joining = [v for v, key in zip(wanted, self.keys, strict=True) if key not in self.places]
        self.starts = [
            Start(start.step, start.keys & set(self.keys), start.state) for start in starts_of(optimizer)
        ]
        trains_nothing = not any(start.keys for start in self.starts)
        self.step = step if step is not None and trains_nothing else internals.counted_steps(optimizer)
        self.attributes: dict[str, Any] = {}
        if joining:
            self._join(joining)
        else:
            self._leave()

    def __call__(self) -> None:
        internals.step_count(self.optimizer).assign(self.step)
        internals.put(self.optimizer, self.attributes)
        internals.put_known_variables(self.optimizer, self.wanted)
        internals.put_tracked_variables(self.optimizer, self.tracked)
        put_starts(self.optimizer, self.starts)

    def _leave(self) -> None:
        keep = {self.places[key] for key in self.keys}
        names = _names(self.optimizer, self.keys)
        gone = set()
        for name, value in internals.slots(self.optimizer).items():
            if isinstance(value, list):
                gone |= {id(slot) for place, slot in enumerate(value) if place not in keep}
                self.attributes[name] = [value[self.places[key]] for key in self.keys]
            else:
                gone |= {id(slot) for key, slot in value.items() if key in names}
                self.attributes[name] = {key: slot for key, slot in value.items() if key not in names}
        self.tracked = [v for v in internals.tracked_variables(self.optimizer) if id(v) not in gone]

    def _join(self, joining: list[Any]) -> None:
        optimizer = self.optimizer
        kept = [v for v, key in zip(self.wanted, self.keys, strict=True) if key in self.places]
        check_extendable(optimizer, self.step)
        twin = _fresh_twin(optimizer, kept, self.wanted)
        final = self._merge(twin)
        state = {n: v for n, v in set_by_build(twin).items() if isinstance(v, keras.Variable)}
        ours = internals.own_state(optimizer)
        final |= {id(value): ours[name] for name, value in state.items() if name in ours}
        check_extended(optimizer, twin, final, state)
        first = made_with_it(optimizer)
        self.tracked = [*first, *(final[id(v)] for v in internals.tracked_variables(twin))]
        averages = self.attributes.get(internals.AVERAGES, [])
        for variable, key, average in zip(self.wanted, self.keys, averages, strict=False):
            if key not in self.places and average is not None:
                # Until the first step does so. A copy, since JAX donates each buffer once.
                average.assign(keras.ops.copy(variable))
        self._add_start(internals.keys_of(optimizer, joining), state)

    def _merge(self, twin: Any) -> dict[int, Any]:
        """Combines old and new slots; returns the final one for each slot of the twin."""
        before: dict[str, Any] = internals.slots(self.optimizer)
        final: dict[int, Any] = {}
        for name, made in internals.slots(twin).items():
            old = before.get(name)
            if isinstance(made, list):
                merged: Any = [
                    made[i] if key not in self.places or old is None else old[self.places[key]]
                    for i, key in enumerate(self.keys)
                ]
                pairs = zip(made, merged, strict=True)
            else:
                merged = {key: (old or {}).get(key, slot) for key, slot in made.items()}
                pairs = zip(made.values(), merged.values(), strict=True)
            final |= {id(slot): last for slot, last in pairs}
            self.attributes[name] = merged
        settings = {n: v for n, v in set_by_build(twin).items() if n not in self.attributes}
        plain = {n: v for n, v in settings.items() if not isinstance(v, keras.Variable)}
        self.attributes |= {
            n: type_of(v)(v) if isinstance(v, (list, dict, set)) else v for n, v in plain.items()
        }
        return final

    def _add_start(self, keys: list[Any], state: dict[str, Any]) -> None:
        same = next((start for start in self.starts if start.step == self.step and start.keys), None)
        if same is not None:
            self.starts.remove(same)
            keys, state = [*keys, *same.keys], same.state
        self.starts.append(Start(self.step, frozenset(keys), state if self.step else {}))


def _fresh_twin(optimizer: Any, kept: list[Any], wanted: list[Any]) -> Any:
    twin = unbuilt_twin(optimizer, kept)
    try:
        with internals.strategy_scope(optimizer):
            twin.build(list(wanted))
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise refusal(optimizer, f"its `build` cannot be run for more variables ({error})") from error
    return twin


def _names(optimizer: Any, keys: list[Any]) -> set[Any]:
    """Further keys by which an optimizer's dicts may refer to the variables."""
    gone = [
        v for v in internals.known_variables(optimizer) if internals.key_of(optimizer, v) not in set(keys)
    ]
    return {name for v in gone for name in (internals.key_of(optimizer, v), id(v), v.path, v.name)}
