"""The first call of a train step: tracing, optimizing the graph, and one step."""

import time
from collections.abc import Callable
from typing import Any

import keras

from benchmarks.common import Row, row
from benchmarks.networks import Timed, cifar


def run(quick: bool) -> list[Row]:
    network = cifar(8, 2) if quick else cifar(56)

    def first_call(build: Callable[[], Any]) -> float:
        timed = Timed(build(), network.shape)
        start = time.perf_counter()
        timed.train()
        seconds = time.perf_counter() - start
        keras.backend.clear_session()
        return seconds

    builds = {"stock": network.stock, "tfbn": network.build}
    first_call(network.build)  # what TensorFlow loads once
    seconds: dict[str, list[float]] = {name: [] for name in builds}
    for turn in range(1 if quick else 3):
        for name in builds if turn % 2 else reversed(builds):
            seconds[name].append(first_call(builds[name]))
    what = f"{network.name}, first call of a train step"
    pair = list(seconds.values())
    return [row(what, "stock BatchNormalization", "tfbn's, fused operation", pair, "s", target=0.70)]
