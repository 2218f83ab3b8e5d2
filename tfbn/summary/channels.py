"""The values of each channel of each layer, at a bounded number of steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfbn.graph.traversal import built_batch_normalizations
from tfbn.statistics.snapshots import Snapshot
from tfbn.summary import tags
from tfbn.summary.plugin_values import summary, tensor_value
from tfbn.summary.thinning import Thinning

SNAPSHOTS = 48
# Values in all snapshots together, approximately; 32 MB. Wide networks get fewer snapshots, at least 12.
NUMBERS = 8_000_000

ChannelValues = dict[str, np.ndarray]  # by path: (4, channels), see `channel_values`


def channel_values(model: Any) -> ChannelValues:
    """Moving mean, moving variance, gamma and beta of every BatchNormalization layer.

    Args:
        model: A built Keras model or layer.

    Returns:
        `{path: array}`, each of shape `(4, channels)`, float32. NaN where a layer has no
        gamma or no beta.

    Example:

    >>> bn = keras.layers.BatchNormalization(scale=False, name="bn")
    >>> channel_values(keras.Sequential([keras.Input((1,)), bn]))["bn"].tolist()
    [[0.0], [1.0], [nan], [0.0]]
    """
    return {named.path: _of_layer(named.layer) for named in built_batch_normalizations(model)}


def _of_layer(layer: Any) -> np.ndarray:
    from tfbn.utils.tensors import numbers_of

    shape = tuple(layer.moving_mean.shape)
    variables = (layer.moving_mean, layer.moving_variance, layer.gamma, layer.beta)
    rows = [np.full(shape, np.nan) if v is None else numbers_of(v) for v in variables]
    return np.array(rows, np.float32)


class ChannelSnapshots:
    """Writes the reference once, and snapshots of the channels from time to time.

    Args:
        reference: What drift is measured from.
    """

    def __init__(self, reference: Snapshot):
        self._layers = list(reference)
        numbers = 4 * sum(len(s.mean) for s in reference.values())
        self.thinning = Thinning(int(np.clip(NUMBERS // numbers, 12, SNAPSHOTS)))
        self.written = 0

    def reference(self, reference: Snapshot) -> Any:
        """A `Summary` with the reference."""
        arrays = [np.array([s.mean, s.variance], np.float32) for s in reference.values()]
        return summary(*(tensor_value(tags.reference(i), array) for i, array in enumerate(arrays)))

    def snapshot(self, channels: Mapping[str, np.ndarray]) -> Any:
        """A `Summary` with a snapshot."""
        group = self.written // tags.SNAPSHOTS_PER_TAG
        self.written += 1
        return summary(
            *(
                tensor_value(tags.channels(i, group), np.asarray(channels[layer], np.float32))
                for i, layer in enumerate(self._layers)
            )
        )
