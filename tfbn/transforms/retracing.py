"""Makes changed flags take effect on a compiled model.

Keras traces a train step once and keeps it. A flag that changes afterwards is silently
ignored on TensorFlow until the next `compile`, and raises on JAX.
"""

import weakref
from collections.abc import Iterable
from typing import Any

import keras

from tfbn.graph.compiled_models import FUNCTIONS, compiled_models, has_functions, watch
from tfbn.graph.keras_internals.optimizers import key_of, known_variables
from tfbn.graph.traversal import named_layers
from tfbn.transforms.optimizer_state import Change, changes_for

# The attribute of a model with functions that tfbn traced; they become stale with Keras's own.
TRACED_ATTRIBUTE = "_tfbn_traced"
# Layers whose flags tfbn changed: a model with one of them that was traced before tfbn knew it is stale.
_CHANGED: "weakref.WeakSet[Any]" = weakref.WeakSet()


def take_effect(model: Any) -> bool:
    """Makes the next `fit`, `evaluate` and `predict` use the model's current flags.

    This holds for the model, for models in it and for every other model that shares a
    layer with it, such as one that contains it. Their functions are traced again when needed; a
    callback may call this in the middle of `fit`
    on TensorFlow. If the variables that train have changed, the optimizer drops those that left and
    adopts those that joined, see `changes_for`.

    Args:
        model: Any Keras model or layer.

    Returns:
        Whether anything had to be done.

    Raises:
        InputError: An optimizer cannot follow. Nothing was done.

    Example:

    >>> base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model = keras.Sequential([base, keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    >>> take_effect(base)
    True
    """
    return Effect(model).take()


class Effect:
    """The changes needed for a model's current flags to take effect.

    Creating it changes nothing, and raises if an optimizer cannot follow.

    Args:
        model: Any Keras model or layer.
    """

    def __init__(self, model: Any):
        self.layers = [model, *(named.layer for named in named_layers(model))]
        self.models = _models_that_share(self.layers)
        self.changes: list[Change] = []
        for optimizer, models in _optimizers(self.models):
            wanted = _wanted(optimizer, models)
            # If nothing trains, no step is made: variables that train again later continue from here.
            if wanted or keras.backend.backend() != "tensorflow":
                self.changes += changes_for(optimizer, wanted)

    def take(self) -> bool:
        """Applies the changes; returns whether there were any."""
        _CHANGED.update(self.layers)
        done = [_renew_functions(each) for each in self.models]
        for change in self.changes:
            change()
        return any(done) or bool(self.changes)


def _models_that_share(layers: list[Any]) -> list[Any]:
    """Every live model that contains one of these layers and has traced functions or an optimizer."""
    known = {id(layer) for layer in layers}
    inside = [layer for layer in layers if isinstance(layer, keras.Model)]
    around = [
        each
        for each in compiled_models()
        if id(each) not in known and any(id(named.layer) in known for named in named_layers(each))
    ]
    return [each for each in (*inside, *around) if has_functions(each)]


def _optimizers(models: Iterable[Any]) -> list[tuple[Any, list[Any]]]:
    """Every built optimizer once, with the models that it trains."""
    found: dict[int, tuple[Any, list[Any]]] = {}
    for model in models:
        optimizer = getattr(model, "optimizer", None)
        if optimizer is not None and optimizer.built:
            found.setdefault(id(optimizer), (optimizer, []))[1].append(model)
    return list(found.values())


def _wanted(optimizer: Any, models: list[Any]) -> list[Any]:
    """The variables that train in these models, and those that the optimizer has from elsewhere."""
    trained = {key_of(optimizer, v): v for model in models for v in model.trainable_variables}
    theirs = {key_of(optimizer, v) for model in models for v in model.variables}
    foreign = [v for v in known_variables(optimizer) if key_of(optimizer, v) not in theirs]
    return [*trained.values(), *foreign]


def _renew_functions(model: Any) -> bool:
    kept = [name for name in FUNCTIONS if getattr(model, f"{name}_function", None) is not None]
    vars(model).pop(TRACED_ATTRIBUTE, None)
    for name in kept:
        getattr(model, f"make_{name}_function")(force=True)
    for named in named_layers(model) if kept else ():
        named.layer.__dict__.pop("_traced_as", None)  # nothing is traced any more
    return bool(kept)


def _catch_up(model: Any) -> None:
    """Handles a model that tfbn did not know when flags changed."""
    if has_functions(model) and any(named.layer in _CHANGED for named in named_layers(model)):
        take_effect(model)


watch(_catch_up)
