"""The models that were compiled or fitted, found without a walk over the heap."""

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import keras

FUNCTIONS = ("train", "test", "predict")
_LOCK = threading.Lock()
_MODELS: "weakref.WeakSet[Any]" = weakref.WeakSet()


def compiled_models() -> list[Any]:
    """Every live model that was compiled, fitted, evaluated or asked to predict since `watch`."""
    with _LOCK:
        return list(_MODELS)


def watch(when_first_used: Callable[[Any], None]) -> None:
    """Starts tracking every model that is compiled or used.

    Keras calls `make_train_function` at the start of every `fit`, `make_test_function` at
    that of `evaluate`, `make_predict_function` at that of `predict`, on the model's class. So
    models from before, of other threads, or out of the garbage collector's sight are
    seen too, when they are used next.

    Args:
        when_first_used: Called with a model at its first use if it was not compiled under `watch`,
            before Keras does anything.
    """
    for name in (f"make_{function}_function" for function in FUNCTIONS):
        _wrap(name, when_first_used)
    _wrap("compile", None)


def has_functions(model: Any) -> bool:
    """Whether a model has a traced function or a built optimizer."""
    state = vars(model)
    if any(state.get(f"{name}_function") is not None for name in FUNCTIONS):
        return True
    return bool(getattr(state.get("optimizer"), "built", False))


def _wrap(name: str, when_first_used: Callable[[Any], None] | None) -> None:
    # On the class that defines it, since Keras compares `compile` with that of its own class.
    owner = next(each for each in keras.Model.__mro__ if name in vars(each))
    original = vars(owner)[name]

    @functools.wraps(original)
    def watched(model: Any, *args: Any, **kwargs: Any) -> Any:
        with _LOCK:
            is_new = model not in _MODELS
            _MODELS.add(model)
        if is_new and when_first_used is not None:
            when_first_used(model)
        return original(model, *args, **kwargs)

    setattr(owner, name, watched)
