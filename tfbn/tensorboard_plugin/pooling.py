"""The seeds of a group on common steps, with their mean and range."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfbn.tensorboard_plugin.downsampling import chosen


@dataclasses.dataclass(frozen=True)
class Pooled:
    """Values of several runs at common steps.

    Attributes:
        steps: Shape `(n,)`.
        values: Shape `(runs, n, ...)`.
        present: Shape `(runs, n)`: whether a run reaches over a step; where not, its values are 0.
        recorded: Number of steps before some were selected.
    """

    steps: np.ndarray
    values: np.ndarray
    present: np.ndarray
    recorded: int

    def of(self, runs: slice) -> "Pooled":
        """A part of the runs, at the same steps."""
        return dataclasses.replace(self, values=self.values[runs], present=self.present[runs])

    def _mask(self) -> np.ndarray:
        shape = self.present.shape + (1,) * (self.values.ndim - 2)
        return np.broadcast_to(self.present.reshape(shape), self.values.shape)

    def mean(self) -> np.ndarray:
        """Over the runs that reach over each step; NaN where none does."""
        count = self._mask().sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.values.sum(axis=0, dtype=np.float64) / count

    def low(self) -> np.ndarray:
        """The lowest, likewise."""
        return self._extreme(np.minimum, np.inf)

    def high(self) -> np.ndarray:
        """The highest, likewise."""
        return self._extreme(np.maximum, -np.inf)

    def _extreme(self, of: np.ufunc, initial: float) -> np.ndarray:
        mask = self._mask()
        found = of.reduce(self.values, axis=0, where=mask, initial=initial)
        return np.where(mask.any(axis=0), found, np.nan)


def pooled(
    steps: Sequence[np.ndarray],
    values: Sequence[np.ndarray],
    count: int,
    first: int | None = None,
    last: int | None = None,
) -> Pooled:
    """Brings runs to common steps: at each, a run has the row of its latest step so far.

    A run has no value before its first row or after its last one. Where all runs recorded the
    same steps, every value is one that was recorded at that step.

    Args:
        steps: Of each run, ascending.
        values: Of each run, shape `(n, ...)`.
        count: The largest number of steps, at least 2.
        first: The first step; None: no limit.
        last: The last step, included; None: no limit.

    Example:

    >>> both = pooled([np.array([0, 1, 2]), np.array([0, 2])], [np.array([0, 1, 2]), np.array([0, 4])], 9)
    >>> both.mean().tolist()
    [0.0, 0.5, 3.0]
    """
    union = np.unique(np.concatenate([np.zeros(0, np.int64), *steps]))
    kept = union[chosen(union, count, first, last)]
    shape = (len(kept), *values[0].shape[1:])
    held, present = [], []
    for own, rows in zip(steps, values, strict=True):
        at = np.searchsorted(own, kept, "right") - 1
        inside = (at >= 0) & (kept <= (own[-1] if len(own) else -1))
        taken = np.zeros(shape, rows.dtype)
        taken[inside] = rows[at[inside]]
        held.append(taken)
        present.append(inside)
    return Pooled(kept, np.array(held), np.array(present), len(union))
