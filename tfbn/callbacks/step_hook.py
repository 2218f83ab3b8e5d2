"""A hook in a model's train step, around the step or after it."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import keras


class StepHook:
    """Runs `after_step` at the end of every `model.train_step`, until it is removed.

    TensorFlow only. The hook sets two attributes on the model *object*, nothing on its
    class: `train_step`, and `fit`. A train function kept from an earlier `fit` is
    dropped, so that the next one traces the hooked step; `remove` drops it again.

    `fit` calls no callback when it raises, so nothing removes the hook then. The next call of
    `model.fit` does, before anything else: a model whose `fit`
    failed trains unhooked next time.

    Args:
        model: A Keras model, built or not.

    Attributes:
        before_step: A function of the step's data, or None, called when the step is
            traced (in eager training: each time).
        around_step: A function of the step's data that gives a context manager, or None; the step
            runs, or is traced, inside it.
        after_step: A function without arguments, or None. Set all of them before the step is
            traced. They must not refer to objects that should be freed before the model.
        when_removed: A function without arguments that `remove` calls, or None.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse", run_eagerly=True)
    >>> hook, calls = StepHook(model), []
    >>> hook.after_step = lambda: calls.append("after a step")
    >>> _ = model.train_on_batch(np.ones((3, 2)), np.ones((3, 1)))
    >>> calls
    ['after a step']
    >>> hook.remove()
    >>> "train_step" in vars(model)
    False
    """

    def __init__(self, model: Any):
        self.model = model
        self.before_step: Callable[[Any], None] | None = None
        self.around_step: Callable[[Any], contextlib.AbstractContextManager] | None = None
        self.when_removed: Callable[[], None] | None = None
        self.after_step: Callable[[], None] | None = None
        self.active = True
        self._before = {name: vars(model).get(name) for name in ("train_step", "fit")}
        self._put("train_step", self._hooked_step(model.train_step))
        self._put("fit", self._unhooking_fit(model.fit))
        model.train_function = None

    @property
    def is_alone(self) -> bool:
        """Whether this is the only hook in the model's train step."""
        top = _hook_of(vars(self.model).get("train_step"))
        return top is self and _hook_of(self._before["train_step"]) is None

    def remove(self) -> None:
        """Restores everything; does nothing if that is done."""
        if not self.active:
            return
        self.active = False
        self.before_step = self.around_step = self.after_step = None
        self.model.train_function = None
        if self.when_removed is not None:
            self.when_removed()
        # A hook below another one can only be removed after that one.
        top = _hook_of(vars(self.model).get("train_step"))
        while top is not None and not top.active:
            top._lift_off()
            top = _hook_of(vars(self.model).get("train_step"))

    def _lift_off(self) -> None:
        for name, before in self._before.items():
            vars(self.model).pop(name, None)
            if before is not None:
                vars(self.model)[name] = before

    def _put(self, name: str, function: Any) -> None:
        # Bypasses Keras's __setattr__, which tracks what is set on layers.
        function.step_hook = self
        vars(self.model)[name] = function

    def _hooked_step(self, step: Callable) -> Callable:
        @functools.wraps(step)
        def train_step(data: Any) -> Any:
            if self.before_step is not None:
                self.before_step(data)
            around = contextlib.nullcontext() if self.around_step is None else self.around_step(data)
            with around:
                logs = step(data)
            if self.after_step is not None:
                self.after_step()
            return logs

        return train_step

    def _unhooking_fit(self, fit: Callable) -> Callable:
        @functools.wraps(fit)
        def unhooked_fit(*args: Any, **kwargs: Any) -> Any:
            self.remove()
            return fit(*args, **kwargs)

        return unhooked_fit


def _hook_of(function: Any) -> StepHook | None:
    return getattr(function, "step_hook", None)


def in_step() -> bool:
    """Whether the train step of this backend can be hooked."""
    return keras.backend.backend() == "tensorflow"
