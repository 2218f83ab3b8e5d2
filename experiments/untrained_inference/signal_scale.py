"""The scale of the inputs and outputs of a network's BatchNormalization layers."""

import contextlib
from typing import Any

import keras
import numpy as np
import pandas as pd

import tfbn
from tfbn.graph.call_hooks import replaced


def through_batch_normalizations(model: Any, x: np.ndarray, by_batch: bool) -> pd.DataFrame:
    """Runs the model once, in inference mode or normalized by the batch; nothing in it changes.

    Args:
        model: Built.
        x: One batch.
        by_batch: Whether every layer normalizes by the batch.

    Returns:
        One row for each BatchNormalization layer in data-flow order: `number` (from 1),
        `layer`, root mean squares `rms_in` and `rms_out`, and `identity_error`: how far the
        output is from `x / sqrt(1 + epsilon)`, largest deviation over `rms_in`.
    """
    rows: list[dict[str, Any]] = []

    def see(layer: Any, call: Any, inputs: Any, training: bool | None, mask: Any) -> Any:
        outputs = call(inputs, training=training)
        before, after = (np.asarray(keras.ops.convert_to_numpy(v), np.float64) for v in (inputs, outputs))
        rms_in, rms_out = (float(np.sqrt(np.mean(np.square(v)))) for v in (before, after))
        off = float(np.abs(after - before / np.sqrt(1 + layer.epsilon)).max())
        rows.append(
            {
                "number": len(rows) + 1,
                "layer": layer.name,
                "rms_in": rms_in,
                "rms_out": rms_out,
                "identity_error": off / rms_in if rms_in else off,
            }
        )
        return outputs

    layers = [named.layer for named in tfbn.traversal.batch_normalizations(model)]
    mode = tfbn.batch_statistics(model) if by_batch else contextlib.nullcontext()
    with mode, replaced(layers, see):
        model(x, training=False)
    return pd.DataFrame(rows)
