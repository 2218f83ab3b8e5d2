"""Rows over steps, in blocks of which TensorBoard drops none."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tfbn.summary import tags
from tfbn.summary.plugin_values import summary, tensor_value
from tfbn.summary.thinning import Thinning

# The approximate number of values in a block; 128 KB.
BLOCK_VALUES = 2**15
# Rows of a training whose length is known.
ROWS = 2000

Add = Callable[[int, Any], None]


class Blocks:
    """Writes thinned rows of one shape in blocks; the latest row is always included.

    TensorBoard samples the points of a tag, so each block has a tag of its own. A block
    that is not full yet is written again, with more rows, at the next `flush`.

    Args:
        series: `"drift"` or `"mismatch"`.
        layers: How many layers a row has.
    """

    def __init__(self, series: str, layers: int):
        self._series = series
        self.thinning = Thinning(ROWS)
        width = layers * len(tags.SERIES[series])
        self._capacity = int(np.clip(BLOCK_VALUES // width, 16, 512))
        self._steps: list[int] = []
        self._rows: list[np.ndarray] = []
        self._number = 0
        self._last: tuple[int, np.ndarray] | None = None  # came after the last row that was kept

    def append(self, row: int, step: int, values: np.ndarray, add: Add) -> None:
        """Adds a row.

        Args:
            row: Its number, which decides whether the thinning keeps it.
            step: Its step.
            values: Shape `(layers, metrics)`; not to be changed afterwards.
            add: Takes a step and a `Summary`, as `EventFile.add` does.
        """
        self._last = (step, values)
        if not self.thinning.keeps(row):
            return
        self._keep_last()
        if len(self._rows) >= self._capacity:
            self.flush(add)
            self._steps, self._rows = [], []
            self._number += 1

    def flush(self, add: Add) -> None:
        """Writes the block that is not full, including the latest row."""
        steps, rows = list(self._steps), list(self._rows)
        if self._last is not None:
            steps.append(self._last[0])
            rows.append(np.asarray(self._last[1], np.float32))
        if not rows:
            return
        name = tags.block(self._series, self._number, "")
        values = tensor_value(f"{name}values", np.stack(rows))
        add(steps[0], summary(tensor_value(f"{name}steps", np.array(steps, np.int64)), values))

    def end(self, add: Add) -> None:
        """Keeps the latest row and writes what has not been written yet."""
        if self._last is not None:
            self._keep_last()
        self.flush(add)

    def _keep_last(self) -> None:
        assert self._last is not None
        self._steps.append(self._last[0])
        self._rows.append(np.array(self._last[1], np.float32))
        self._last = None
