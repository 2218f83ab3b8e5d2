"""Training whole networks from scratch: accuracy in both modes."""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tfbn

from . import reuse

ROWS = 500  # images at a time where the size does not matter


def accuracy(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    """The share of images classified correctly in inference mode."""
    # Called eagerly: tracing a deep network takes longer than running it a few times.
    starts = range(0, len(x), ROWS)
    return _share(np.concatenate([_numpy(model(x[i : i + ROWS], training=False)) for i in starts]), y)


def accuracy_by_batch(model: Any, x: np.ndarray, y: np.ndarray, batch_size: int) -> float:
    """The share classified correctly where every BatchNorm normalizes by the batch, as in `fit`."""
    run = _traced_by_batch(model)
    starts = range(0, len(x), batch_size)
    return _share(np.concatenate([run(x[i : i + batch_size]) for i in starts]), y)


@functools.lru_cache(maxsize=reuse.KEPT)
def _traced_by_batch(model: Any) -> Any:
    """The model with batch statistics, traced once, since batches of one image mean many calls."""
    signature = tf.TensorSpec((None, *model.input_shape[1:]))
    with tfbn.batch_statistics(model):
        run = tf.function(lambda x: model(x, training=False), autograph=False)
        concrete = run.get_concrete_function(signature)
    return lambda x: concrete(tf.constant(x)).numpy()


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _share(logits: np.ndarray, y: np.ndarray) -> float:
    return float((logits.argmax(-1) == y).mean())
