"""The accuracy of the fused operation: the largest error of an output against float64."""

from typing import Any

import numpy as np

import tfbn
from benchmarks.common import Row, row


def run(quick: bool) -> list[Row]:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    rows = []
    for count in (64,) if quick else (64, 1024, 65536):
        x = np.float32(rng.normal(3, 2, (count, 16)))
        wide = np.float64(x)
        exact = (wide - wide.mean(0)) / np.sqrt(wide.var(0) + 1e-3)

        def error(fused: bool | None, x: Any = x, exact: Any = exact) -> float:
            layer = tfbn.layers.BatchNormalization(fused=fused)
            return float(np.abs(layer(tf.constant(x), training=True).numpy() - exact).max())

        what = f"error of an output in training, {count:,} values per channel of unit standard deviation"
        pair = [error(fused=False)], [error(fused=None)]
        rows.append(row(what, "Keras's own arithmetic", "fused operation", pair, unit=""))
    return rows
