"""A frozen network with a head, shared by all arms of a process."""

import functools
from typing import Any

import keras
import numpy as np

import tfbn
from tfbn.graph.traversal import batch_normalizations
from tfbn.layers.modes import resolve
from tfbn.transforms import frozen_prefix
from tfbn.utils.validation import InputError

from . import evaluation, networks, reuse, training
from .arms import Arm
from .extractor import Extractor, Follower


class FrozenNetwork:
    """The network, its features under any statistics, and the head as a separate model.

    Args:
        base: From images to pooled features; frozen here.
        classes: Of the target.
        learning_rate: Of Adam, for the head.

    Attributes:
        model: From images to logits, compiled.
        rest: From features to logits, compiled; the head is that of `model`.
        by_batch: Features under batch statistics.
        following: Features under moving statistics that the batches update.
        steady: Whether a batch gives the same features at every step.
    """

    def __init__(self, base: Any, classes: int, learning_rate: float):
        head = keras.layers.Dense(classes, name=evaluation.HEAD)
        features = keras.Input(base.output.shape[1:])
        self._head = head
        self.model = keras.Model(base.input, head(base.output), name=base.name)
        self.rest = keras.Model(features, head(features), name=base.name)
        for model in (self.model, self.rest):
            training.compiled(model, keras.optimizers.Adam(learning_rate))
        self.steady = self._is_steady(base)
        self.by_batch = Extractor(base)
        self.following = Follower(base)
        self._base = base

    def _is_steady(self, base: Any) -> bool:
        tfbn.freeze(base, None, training=False, update_statistics=False)
        try:
            return frozen_prefix.find(self.model).tensor is self.model.get_layer(evaluation.HEAD).input
        except InputError:
            return False

    def start(self, arm: Arm, momentum: float, seed: int) -> None:
        """Resets everything to the state before the first step of an arm."""
        # Both set explicitly, since None would keep the setting of the previous arm.
        mode = resolve(arm.training, arm.update_statistics, arm.trainable)
        flags = {"training": mode.normalizes_by == "batch", "update_statistics": mode.updates}
        tfbn.freeze(self._base, None, trainable=False, **flags)
        for named in batch_normalizations(self._base):
            named.layer.momentum = momentum
        self.statistics = self.by_batch.source
        kernel, bias = self._head.kernel, self._head.bias
        initial = keras.initializers.GlorotUniform(seed=seed)(kernel.shape)
        reuse.restart(self.rest, [np.asarray(initial), np.zeros(bias.shape)])

    @property
    def statistics(self) -> np.ndarray:
        """The moving means and variances of all layers in one row."""
        return self.by_batch.statistics

    @statistics.setter
    def statistics(self, row: np.ndarray) -> None:
        self.by_batch.statistics = row

    def features(self, images: np.ndarray) -> np.ndarray:
        """Features in inference mode, under the current moving statistics."""
        return self.by_batch.infer(images, self.statistics)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """The head's outputs for features."""
        return features @ self._head.kernel.numpy() + self._head.bias.numpy()


@functools.lru_cache(maxsize=1)
def kept(config: Any, weights: Any, start: Any, classes: int) -> FrozenNetwork:
    """The network for these options and weights; a process caches the latest one.

    Args:
        config: The options that the network depends on.
        weights: See `networks.build`.
        start: Identifies the weights.
        classes: Of the target.
    """
    return FrozenNetwork(networks.build(config, weights), classes, config.learning_rate)
