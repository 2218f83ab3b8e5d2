"""Latency of audit and transforms on a large network, in a process with a million objects."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import tfbn
from benchmarks.common import Row, at_most

# CPU seconds.
LIMITS = {"audit": 1.0, "freeze": 0.2, "unfreeze": 0.2, "convert": 0.2, "revert": 0.2}


def run(quick: bool) -> list[Row]:
    objects = [{"number": i} for i in range(1_000 if quick else 1_000_000)]
    name = "ResNet50" if quick else "ResNet152"
    network = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=10)
    network.compile("sgd", "sparse_categorical_crossentropy")
    network.train_on_batch(np.zeros((2, 64, 64, 3), "float32"), np.zeros(2))  # so that there is an optimizer
    calls: dict[str, Callable[[], Any]] = {
        "audit": lambda: tfbn.audit(network),
        "convert": lambda: tfbn.convert(network),
        "freeze": lambda: tfbn.freeze(network, "*", training=False),
        "unfreeze": lambda: tfbn.unfreeze(network, "*"),
        "revert": lambda: tfbn.revert(network),
    }
    what = f"{name}, compiled and trained, {len(objects):,} other objects in the process"
    return [
        at_most(what, LIMITS[each], f"tfbn.{each}, CPU time, first call", _seconds(call), "s of CPU")
        for each, call in calls.items()
    ]


def _seconds(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start
