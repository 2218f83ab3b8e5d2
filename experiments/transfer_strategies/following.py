"""One training run in which the batch normalizes, evaluated at several momenta."""

from typing import Any

import numpy as np

from tfbn.graph.traversal import batch_normalizations
from tfbn.statistics import moving_average

from ..training import extractor


class Followed:
    """The moving statistics of a network that normalizes by the batch, at several momenta.

    The momentum does not affect training while the batch normalizes. So the layers' own momentum is
    set to 0, each step leaves the statistics of its batch, and the moving averages are computed here.

    Args:
        model: Before `fit` is traced.
        momenta: The first is the one of the experiment.
    """

    def __init__(self, model: Any, momenta: tuple[float, ...]):
        self._layers = [named.layer for named in batch_normalizations(model)]
        self._momenta = momenta
        for layer in self._layers:
            layer.momentum = 0.0
        self.restart()

    def restart(self) -> None:
        """Starts from the statistics that the network has now."""
        self._rows = dict.fromkeys(self._momenta, extractor.row_of(self._layers))

    def after_step(self) -> None:
        """Moves the averages by the statistics of the last batch."""
        seen = extractor.row_of(self._layers)
        self._rows = {m: moving_average(row, seen, m) for m, row in self._rows.items()}

    def row(self, momentum: float) -> np.ndarray:
        """All moving means and variances at a momentum."""
        return self._rows[momentum]

    def put(self, momentum: float) -> None:
        """Sets the network's moving statistics to those at a momentum."""
        extractor.set_row(self._layers, self._rows[momentum])
