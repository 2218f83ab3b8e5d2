"""The traced functions of a recorder, kept with the model for its next recorded fit."""

import dataclasses
import operator
from typing import Any

from tfbn.callbacks.step_hook import StepHook
from tfbn.callbacks.step_ring import StepRing
from tfbn.graph.keras_internals.trainers import compiled_parts
from tfbn.graph.traversal import named_layers
from tfbn.statistics.mismatch import Probe
from tfbn.statistics.two_modes import Performance
from tfbn.transforms.retracing import TRACED_ATTRIBUTE


@dataclasses.dataclass
class Traced:
    """The traced parts of one recorder.

    Attributes:
        compiled: What `compile` made, and how the train step was traced.
        flags: The flags of every layer at that time. If these or `compiled` have changed, everything
            here is stale.
        train_function: The model's train function with `ring` in it.
        ring: Where that puts its rows.
        probe: The `Probe`, or None.
        performance: The `Performance`, or None.
    """

    compiled: tuple[Any, ...]
    flags: list[Any] = dataclasses.field(default_factory=list)
    train_function: Any = None
    ring: StepRing | None = None
    probe: Probe | None = None
    performance: Performance | None = None


def take(model: Any) -> Traced:
    """Takes over what an earlier recorder left; returns an empty object if that cannot be reused."""
    kept = vars(model).pop(TRACED_ATTRIBUTE, None)
    now = Traced(compiled_parts(model), _flags(model))
    same = kept is not None and all(map(operator.is_, kept.compiled, now.compiled))
    return kept if same and kept.flags == now.flags else now


def note_flags(model: Any, traced: Traced) -> None:
    """Records the flags with which the first step is traced. Call it just before that step."""
    traced.flags = _flags(model)


def leave(model: Any, traced: Traced, hook: StepHook | None) -> None:
    """Keeps this with the model for the next recorder. Call it while the hook is in place."""
    is_in_step = hook is not None and hook.is_alone and model.train_function is not None
    is_in_step = is_in_step and traced.flags == _flags(model)  # else something changed after it was traced
    if not is_in_step:
        traced.ring = None
    traced.train_function = model.train_function if is_in_step else None
    traced.compiled = compiled_parts(model)
    # Bypasses Keras's __setattr__, which tracks what is set on models.
    vars(model)[TRACED_ATTRIBUTE] = traced


def _flags(model: Any) -> list[Any]:
    # Stock Keras ignores what is set on a layer until `compile`; a recorded fit need not.
    return [
        (named.path, named.layer.trainable, getattr(named.layer, "_trace_key", None))
        for named in named_layers(model)
    ]
