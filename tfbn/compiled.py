"""Making changed flags take effect on a model that is compiled.

Keras traces a train step once and keeps it. A flag that changes afterwards is silently
ignored on TensorFlow until the next `compile`, and raises on JAX.
"""

from typing import Any

import keras

from tfbn.traversal import sites

FUNCTIONS = ("train_function", "test_function", "predict_function")


def take_effect(model: Any) -> bool:
    """Lets the next `fit`, `evaluate` and `predict` see the model's flags as they are now.

    The traced functions of the model and of models in it are dropped, to be traced
    anew when they are needed. If other variables train than the optimizer was built
    for, the optimizer gets a successor of the same configuration: iterations, learning
    rate and the slots (momenta) of variables that still train are carried over; the
    slots of variables that did not train before start at their initial values.

    Args:
        model: Any Keras model or layer.

    Returns:
        Whether anything had to be done.

    Raises:
        ValueError: The optimizer's state cannot be told apart by path; `compile` the
            model again.
    """
    done = False
    for each in [model, *(site.layer for site in sites(model))]:
        if not isinstance(each, keras.Model):
            continue
        done |= _drop_functions(each)
        done |= _succeed_optimizer(each)
    return done


def _drop_functions(model: Any) -> bool:
    kept = [name for name in FUNCTIONS if getattr(model, name, None) is not None]
    for name in kept:
        setattr(model, name, None)
    return bool(kept)


def _succeed_optimizer(model: Any) -> bool:
    old = getattr(model, "optimizer", None)
    if old is None or not old.built:
        return False
    wanted = list(model.trainable_variables)
    # A LossScaleOptimizer keeps no variables of the model itself; the one inside does.
    inside = getattr(old, "inner_optimizer", old)
    if {id(v) for v in wanted} == {id(v) for v in inside._trainable_variables}:
        return False
    new = type(old).from_config(old.get_config())
    new.build(wanted)
    _carry_over(old, new)
    model.optimizer = new
    return True


def _carry_over(old: Any, new: Any) -> None:
    state = {variable.path: variable for variable in old.variables}
    if len(state) < len(old.variables):
        raise ValueError(
            "Expected an optimizer whose variables have paths of their own, to carry its state over. "
            f"Received: optimizer={old.name!r} with repeated paths; call `model.compile` again"
        )
    for variable in new.variables:
        if variable.path in state:
            variable.assign(state[variable.path])
    excluded = {name: value for name, value in vars(old).items() if name.startswith("_exclude_from_weight")}
    for name, value in excluded.items():
        setattr(new, name, value)
