"""Making changed flags take effect on a model that is compiled.

Keras traces a train step once and keeps it. A flag that changes afterwards is silently
ignored on TensorFlow until the next `compile`, and raises on JAX.
"""

import gc
from collections.abc import Iterator
from typing import Any

import keras

from tfbn.graph.keras_internals import (
    inner_optimizers,
    optimizer_lists,
    optimizer_variables,
    trained_variables,
    weight_decay_exclusions,
)
from tfbn.graph.traversal import named_layers

FUNCTIONS = ("train", "test", "predict")
# The attribute of a model in which tfbn keeps what it traced; as stale as Keras's own when flags change.
TRACED_ATTRIBUTE = "_tfbn_traced"


def take_effect(model: Any) -> bool:
    """Lets the next `fit`, `evaluate` and `predict` see the model's flags as they are now.

    This holds for the model, for models in it and for every other model that shares a
    layer with it, as one that contains it. Their traced functions are replaced by ones
    that are traced when they are needed; a callback may call this in the middle of `fit`
    on TensorFlow. If other variables train than an optimizer was built for, it gets a
    successor of the same configuration: iterations, learning rate and the slots
    (momenta) of variables that still train are carried over; the slots of variables
    that did not train before start at their initial values.

    Args:
        model: Any Keras model or layer.

    Returns:
        Whether anything had to be done.

    Example:

    >>> base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model = keras.Sequential([base, keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    >>> take_effect(base)
    True
    """
    done = False
    for each in _models_that_share(model):
        done |= _renew_functions(each)
        done |= _succeed_optimizer(each)
    return done


def _models_that_share(model: Any) -> Iterator[Any]:
    """Every live model that runs a layer of this one and has something to renew."""
    layers = {id(model), *(id(named.layer) for named in named_layers(model))}
    # A layer does not know the models around it, so look among all objects there are (0.1 s).
    # By type, since some objects answer `isinstance` by importing what they stand for.
    models = [each for each in gc.get_objects() if issubclass(type(each), keras.Model)]
    for each in models:
        state = vars(each)
        kept = [state.get(f"{name}_function") for name in FUNCTIONS] + [state.get("optimizer")]
        if all(value is None for value in kept):
            continue
        if id(each) in layers or any(id(named.layer) in layers for named in named_layers(each)):
            yield each


def _renew_functions(model: Any) -> bool:
    kept = [name for name in FUNCTIONS if getattr(model, f"{name}_function", None) is not None]
    vars(model).pop(TRACED_ATTRIBUTE, None)
    for name in kept:
        getattr(model, f"make_{name}_function")(force=True)
    for named in named_layers(model) if kept else ():
        named.layer.__dict__.pop("_traced_as", None)  # nothing is traced any more
    return bool(kept)


def _succeed_optimizer(model: Any) -> bool:
    old = getattr(model, "optimizer", None)
    if old is None or not old.built:
        return False
    wanted = list(model.trainable_variables)
    known = {id(variable) for part in _parts(old) for variable in trained_variables(part)}
    if {id(variable) for variable in wanted} == known:
        return False
    new = type(old).from_config(old.get_config())
    new.build(wanted)
    for old_part, new_part in zip(_parts(old), _parts(new), strict=True):
        _carry_over(old_part, new_part)
    model.optimizer = new
    return True


def _parts(optimizer: Any) -> list[Any]:
    """The optimizer and those inside it: a LossScaleOptimizer has one, a MultiOptimizer several."""
    return [optimizer, *inner_optimizers(optimizer)]


def _carry_over(old: Any, new: Any) -> None:
    old_slots, new_slots = _slots(old), _slots(new)
    for key in old_slots.keys() & new_slots.keys():
        new_slots[key].assign(old_slots[key])
    # What is left is of the optimizer as a whole, as the iterations: there a path is enough.
    slots = {id(slot) for slot in (*old_slots.values(), *new_slots.values())}
    whole = {variable.path: variable for variable in optimizer_variables(old) if id(variable) not in slots}
    for variable in optimizer_variables(new):
        if id(variable) not in slots and variable.path in whole:
            variable.assign(whole[variable.path])
    for name, value in weight_decay_exclusions(old).items():
        setattr(new, name, value)


def _slots(optimizer: Any) -> dict[tuple[str, int], Any]:
    """Each slot by the attribute that lists it and the id of the variable that it belongs to.

    Not by path: layers of the same name in two nested models give their variables one path.
    """
    trained = trained_variables(optimizer)
    return {
        (name, id(variable)): slot
        for name, listed in optimizer_lists(optimizer).items()
        if len(listed) == len(trained)
        for variable, slot in zip(trained, listed, strict=True)
        if isinstance(slot, keras.Variable)
    }
