"""What `compile` and `fit` make of a model."""

from typing import Any


def compile_arguments(model: Any) -> dict[str, Any]:
    """The arguments that a model was compiled with, the very objects.

    Since Keras 3.0: `Trainer._compile_config`.
    """
    return dict(model._compile_config.config)


def compiled_parts(model: Any) -> tuple[Any, ...]:
    """Objects that every `compile` creates, and how the train step was traced; compare with `is`.

    Since Keras 3.0: `Trainer._loss_tracker` is new also where the optimizer is the same object.
    """
    names = ("optimizer", "_loss_tracker", "jit_compile", "run_eagerly", "steps_per_execution")
    return tuple(getattr(model, name, None) for name in names)


def build_loss_and_metrics(model: Any, labels: Any, outputs: Any) -> None:
    """Makes the variables of loss and metrics, as the first batch of `fit` would.

    Since Keras 3.0: `Trainer._compile_metrics` and `Trainer._compile_loss`.
    """
    for part in (model._compile_metrics, model._compile_loss):
        if part is not None and not part.built:
            part.build(labels, outputs)


def state_ahead_of_variables(model: Any) -> list[Any] | None:
    """The arrays of `model.non_trainable_variables` after the last step; None if the variables are up
    to date.

    On JAX, `fit` hands the state from step to step, and the variables are brought up to date where a
    callback asks for `Callback.model`: all of them, and all are gathered again for the next step. On
    other backends variables are always up to date.
    Since Keras 3.0: `JAXTrainer._jax_state` and `_jax_state_synced`.
    """
    if getattr(model, "_jax_state_synced", True):
        return None
    return model._jax_state["non_trainable_variables"]
