"""The private names of Keras's trainers; `keras_internals` has those of layers and graphs."""

from typing import Any


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
