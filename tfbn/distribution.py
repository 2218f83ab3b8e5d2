"""Models that were made under a `tf.distribute` strategy, and what is computed of them once."""

import contextlib
from typing import Any

import keras


def scope_of(model: Any) -> contextlib.AbstractContextManager:
    """The scope of the strategy that a model was made under; an empty one if there was none.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> with scope_of(model):
    ...     rest = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    """
    strategy = getattr(model, "distribute_strategy", None)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def predict_on_batch(model: Any, x: Any) -> Any:
    """`model.predict_on_batch`, which under a strategy of n replicas would give each output n times.

    Args:
        model: A built model.
        x: One batch.

    Returns:
        The outputs as NumPy arrays.

    Example:

    >>> predict_on_batch(keras.Sequential([keras.Input((2,)), keras.layers.ReLU()]), np.ones((3, 2))).shape
    (3, 2)
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or strategy.num_replicas_in_sync == 1:
        return model.predict_on_batch(x)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, _traced(model)(_tensors(x)))


def _traced(model: Any) -> Any:
    """The model's inference function outside of any replica, kept with the model."""
    import tensorflow as tf

    state = vars(model)
    if "_tfbn_forward" not in state:
        state["_tfbn_forward"] = tf.function(lambda x: model(x, training=False), reduce_retracing=True)
    return state["_tfbn_forward"]


def _tensors(x: Any) -> Any:
    return keras.tree.map_structure(keras.ops.convert_to_tensor, x)
