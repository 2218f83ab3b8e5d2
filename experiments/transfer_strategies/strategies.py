"""Builds the network of each strategy, and caches features where that is possible."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import tfbn
from tfbn.utils.validation import fail

from ..training import networks, training, transfer
from ..training.arms import Arm
from ..training.data import Split
from .arms import strategy_of


def first_layers(config: Any) -> tuple[str, ...]:
    """The layers that the strategy `last` freezes: as given, or all stages but the last.

    Raises:
        InputError: None are given, and the network's stages are not known.
    """
    if config.frozen:
        return config.frozen
    if networks.is_file(config.model) or networks.is_application(config.model):
        raise fail("frozen", f"to name what last_* freezes of {config.model}", config.frozen)
    stages = tfbn.models.stages(networks.build(config, None))
    return tuple(name for name in stages if name != "head")[:-1]


def build(config: Any, arm: Arm, seed: int, classes: int, folder: Path) -> Any:
    """The compiled network with a new layer on top and the arm's settings.

    Args:
        config: The options of one run; `frozen` is what the strategy `last` freezes.
        arm: One of `ARMS`.
        seed: Decides the new layer, and from scratch all weights.
        classes: How many.
        folder: The run's own.
    """
    strategy = strategy_of(arm.name)
    frozen = first_layers(config) if strategy == "last" else ()
    model = transfer.build(dataclasses.replace(config, frozen=frozen), arm, seed, classes, folder)
    for named in tfbn.traversal.batch_normalizations(model):
        named.layer.training = arm.training  # of those that train, too
    return model


def can_cache(arm: Arm) -> bool:
    """Whether the outputs of the frozen layers stay the same throughout the training."""
    return strategy_of(arm.name) in ("last", "head") and arm.training is False


def cached(model: Any, split: Split) -> tuple[Any, Split, float]:
    """The part of the model that trains, the features of the frozen part, and the seconds for these.

    The seconds are those of a pass over the training images, without tracing.
    """
    features = tfbn.cache_features(model, split.train_x, split.train_y, batch_size=100, verbose=False)
    train_x, train_y = next(features.data.batch(features.examples).as_numpy_iterator())
    test_x = training.predict(features.prefix, split.test_x, 100)
    started = time.perf_counter()
    training.predict(features.prefix, split.train_x, 100)
    seconds = time.perf_counter() - started
    kept = dataclasses.replace(split, train_x=train_x, train_y=train_y, test_x=test_x)
    return features.rest, kept, seconds
