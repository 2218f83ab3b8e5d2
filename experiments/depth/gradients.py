"""Gradients and activations of every convolution of a network."""

from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from tfbn.graph.call_hooks import replaced
from tfbn.graph.traversal import named_layers


def by_layer(model: Any, x: np.ndarray, y: np.ndarray) -> tuple[pd.DataFrame, float]:
    """One forward and backward pass in training mode on one batch.

    It runs eagerly, since tracing a deep network takes longer than a pass. BatchNorm's
    moving statistics update.

    Args:
        model: Built, from images to logits.
        x: One batch of images.
        y: Their labels.

    Returns:
        One row per convolution, from input to output: `layer` (its number), `gradient` (the
        Euclidean norm of the gradient of the loss with respect to its kernel), `weights` (the
        norm of the kernel) and `scale` (the standard deviation of its outputs); and the loss.
    """
    convs = [named.layer for named in named_layers(model) if isinstance(named.layer, keras.layers.Conv2D)]
    scales: dict[int, float] = {}

    def see(layer: Any, call: Any, inputs: Any, training: bool | None, mask: Any) -> Any:
        outputs = call(inputs)
        scales[id(layer)] = float(tf.math.reduce_std(outputs))
        return outputs

    with tf.GradientTape() as tape, replaced(convs, see):
        logits = model(x, training=True)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, logits)
    gradients = tape.gradient(loss, [conv.kernel.value for conv in convs])
    rows = [
        (number, _norm(gradient), _norm(conv.kernel.value), scales[id(conv)])
        for number, (conv, gradient) in enumerate(zip(convs, gradients, strict=True), start=1)
    ]
    return pd.DataFrame(rows, columns=["layer", "gradient", "weights", "scale"]), float(loss)


def spread(table: pd.DataFrame) -> dict[str, float]:
    """Compares the gradients of a network's convolutions, in powers of ten.

    Args:
        table: The table that `by_layer` returns.

    Returns:
        `least`: log10 of the smallest norm. `orders`: log10 of the largest over the smallest.
        `first_over_last`: log10 of the first convolution's over the last one's. All NaN if
        a norm is 0 or not finite.

    Example:

    >>> import pandas as pd
    >>> spread(pd.DataFrame({"gradient": [10.0, 0.1, 1.0]}))
    {'least': -1.0, 'orders': 2.0, 'first_over_last': 1.0}
    """
    norms = table.gradient.to_numpy(np.float64)
    if not (np.isfinite(norms) & (norms > 0)).all():
        return dict.fromkeys(("least", "orders", "first_over_last"), float("nan"))
    logs = np.log10(norms)
    return {
        "least": float(logs.min()),
        "orders": float(logs.max() - logs.min()),
        "first_over_last": float(logs[0] - logs[-1]),
    }


def _norm(tensor: Any) -> float:
    # In float64, since the squares of norms near 1e-23 underflow in float32.
    return float(np.linalg.norm(np.asarray(tensor, np.float64)))
