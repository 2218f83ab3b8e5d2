"""Builds the network of each strategy, and caches features where that is possible."""

import dataclasses
import re
import time
from pathlib import Path
from typing import Any

import tfbn
from tfbn.utils.validation import fail

from ..training import networks, training, transfer
from ..training.arms import Arm
from ..training.data import Split
from .arms import BLOCKS, strategy_of

# The builders name every layer of a block after it, as "stage2_block1_bn1".
_BLOCK = re.compile(r"(stage\d+_block\d+)_")


def first_layers(config: Any, strategy: str = "last") -> tuple[str, ...]:
    """The layers that a strategy freezes.

    Args:
        config: The options.
        strategy: `"last"`: those given as `frozen`, or all stages but the last; one of `BLOCKS`: all before
            the last blocks; another: `()`.

    Raises:
        InputError: The network's stages or blocks are not known.
    """
    if strategy in BLOCKS:
        return _before_last_blocks(config, BLOCKS[strategy])
    if strategy != "last":
        return ()
    if config.frozen:
        return config.frozen
    if networks.is_file(config.model) or networks.is_application(config.model):
        raise fail("frozen", f"to name what last_* freezes of {config.model}", config.frozen)
    stages = tfbn.models.stages(networks.build(config, None))
    return tuple(name for name in stages if name != "head")[:-1]


def _before_last_blocks(config: Any, blocks: int) -> tuple[str, ...]:
    names = [layer.name for layer in networks.build(config, None).layers]
    found = [match[1] for name in names if (match := _BLOCK.match(name))]
    known = list(dict.fromkeys(found))
    if len(known) <= blocks:
        raise fail("model", f"to have more than {blocks} blocks, named as the builders name them", known)
    start = next(i for i, name in enumerate(names) if name.startswith(f"{known[-blocks]}_"))
    return tuple(names[:start])


def build(config: Any, arm: Arm, seed: int, classes: int, folder: Path) -> Any:
    """The compiled network with a new layer on top and the arm's settings.

    Args:
        config: The options of one run; `frozen` is what the strategy `last` freezes.
        arm: One of `ARMS`.
        seed: Decides the new layer, and from scratch all weights.
        classes: How many.
        folder: The run's own.
    """
    frozen = first_layers(config, strategy_of(arm.name))
    model = transfer.build(dataclasses.replace(config, frozen=frozen), arm, seed, classes, folder)
    for named in tfbn.traversal.batch_normalizations(model):
        named.layer.training = arm.training  # of those that train, too
    return model


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


def check_classifier(config: Any) -> None:
    """Raises `InputError` unless the network has an old classifier to keep."""
    networks.build(config, None, classifier=True)
