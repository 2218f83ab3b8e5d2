"""Models made under a `tf.distribute` strategy, and results that all replicas share."""

import contextlib
from collections.abc import Callable
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


def predictor(model: Any) -> Callable[[Any], Any]:
    """`model.predict_on_batch`, which under a strategy of n replicas would give each output n times.

    Args:
        model: A built model.

    Returns:
        A function of one batch that gives the outputs as NumPy arrays.

    Example:

    >>> predictor(keras.Sequential([keras.Input((2,)), keras.layers.ReLU()]))(np.ones((3, 2))).shape
    (3, 2)
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or strategy.num_replicas_in_sync == 1:
        return model.predict_on_batch
    import tensorflow as tf

    tree = keras.tree
    once = tf.function(lambda x: model(x, training=False), reduce_retracing=True)

    def predict(x: Any) -> Any:
        outputs = once(tree.map_structure(keras.ops.convert_to_tensor, x))
        return tree.map_structure(keras.ops.convert_to_numpy, outputs)

    return predict
