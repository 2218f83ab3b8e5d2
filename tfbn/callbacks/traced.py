"""What of a recorder is traced: kept with a model, so that its next recorded fit traces nothing anew."""

import dataclasses
from typing import Any

from tfbn.callbacks.step_hook import StepHook
from tfbn.callbacks.step_ring import StepRing
from tfbn.compiled import OURS
from tfbn.mismatch import Probe
from tfbn.performance import Performance


@dataclasses.dataclass
class Traced:
    """The traced parts of one recorder.

    Attributes:
        compiled: What `compile` made, and how the train step was traced; another one makes
            all of this stale.
        train_function: The model's train function with `ring` in it.
        ring: Where that puts its rows.
        probe: The `Probe`, if there was one.
        performance: The `Performance`, likewise.
    """

    compiled: tuple[Any, ...]
    train_function: Any = None
    ring: StepRing | None = None
    probe: Probe | None = None
    performance: Performance | None = None


def take(model: Any) -> Traced:
    """What an earlier recorder left, which then belongs to the caller; an empty one if it does not serve."""
    now = _compiled(model)
    kept = vars(model).pop(OURS, None)
    if kept is None or not all(a is b for a, b in zip(kept.compiled, now, strict=True)):
        return Traced(now)
    return kept


def leave(model: Any, traced: Traced, hook: StepHook | None) -> None:
    """Keeps it with the model for the next recorder; to be called while the hook is in place."""
    is_in_step = hook is not None and hook.is_alone and model.train_function is not None
    if not is_in_step:
        traced.ring = None
    traced.train_function = model.train_function if is_in_step else None
    traced.compiled = _compiled(model)
    vars(model)[OURS] = traced  # past Keras's own __setattr__, which tracks what models are given


def _compiled(model: Any) -> tuple[Any, ...]:
    # `compile` makes a new loss tracker each time, also where the optimizer is the same.
    names = ("optimizer", "_loss_tracker", "jit_compile", "run_eagerly", "steps_per_execution")
    return tuple(getattr(model, name, None) for name in names)
