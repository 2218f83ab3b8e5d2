"""A train step, a prediction and folding on JAX and PyTorch, against stock Keras, on an accelerator.

Equal models are fitted by turns. What is compared is the time of an epoch's steps from the second
on, so that neither compiling nor the first batch counts. Without an accelerator it is left out.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import Row, Way, compare
from benchmarks.recorder_backends import in_environments, step_timer

STEPS, ROUNDS = 21, 5
# Larger batches than on processors, since an accelerator would wait for Python otherwise.
BATCHES = {"resnet20": (512, 32), "resnet56": (512, 32), "ResNet50": (128, 64)}


def run(quick: bool) -> list[Row]:
    return in_environments(__name__, quick)


def measured(quick: bool) -> list[Row]:
    """The rows of the backend that Keras runs in this process; none without an accelerator."""
    import keras

    from experiments.training import devices

    if not devices.accelerator() and not quick:
        return []
    device = devices.in_use()
    rows = []
    for name, (batch, side) in {"resnet8": (2, 16)}.items() if quick else BATCHES.items():
        what = f"{name}, {side}x{side}, batch {batch}, {device}"
        rows += _train(name, what, (batch, side, side, 3), 3 if quick else STEPS, 1 if quick else ROUNDS)
        keras.backend.clear_session()
        rows += _predict(name, what, (batch, side, side, 3), 1 if quick else ROUNDS)
        keras.backend.clear_session()
    return rows


def _networks(name: str, side: int) -> tuple[Any, Any, Any]:
    """Stock's, ours, and one without BatchNormalization where there is one."""
    import tfbn

    options: dict[str, Any] = {"input_shape": (side, side, 3), "classes": 10}
    ours = tfbn.models.build(name, **options)
    is_small = name in ("resnet8", "resnet20", "resnet56")
    bare = tfbn.models.build(name, normalization=None, **options) if is_small else None
    return tfbn.revert(tfbn.models.build(name, **options)), ours, bare


def _train(name: str, what: str, shape: tuple[int, ...], steps: int, rounds: int) -> list[Row]:
    stock, ours, bare = _networks(name, shape[1])
    return compare(
        f"{what}, {steps - 1} train steps",
        Way("stock BatchNormalization", _fit(stock, shape, steps)),
        Way("tfbn's", _fit(ours, shape, steps), 1.02),
        rounds=rounds,
        warm_up=1,
        floor=None if bare is None else Way("no BatchNormalization at all", _fit(bare, shape, steps)),
        clock=lambda call: call(),
    )


def _fit(model: Any, shape: tuple[int, ...], steps: int) -> Callable[[], float]:
    rng = np.random.default_rng(0)
    x = rng.normal(1, 2, (shape[0] * steps, *shape[1:])).astype("float32")
    y = rng.integers(0, 10, len(x))
    model.compile("sgd", "sparse_categorical_crossentropy")

    def fit() -> float:
        timer = step_timer()
        model.fit(x, y, batch_size=shape[0], shuffle=False, verbose=0, callbacks=[timer])
        return timer.seconds

    return fit


def _predict(name: str, what: str, shape: tuple[int, ...], rounds: int) -> list[Row]:
    import tfbn

    stock, ours, _ = _networks(name, shape[1])
    folded = tfbn.fold(tfbn.models.build(name, input_shape=shape[1:], classes=10), verbose=False)
    x = np.random.default_rng(0).normal(1, 2, (shape[0] * 8, *shape[1:])).astype("float32")

    def predict(model: Any) -> Callable[[], float]:
        def call() -> float:
            start = time.perf_counter()
            model.predict(x, batch_size=shape[0], verbose=0)
            return time.perf_counter() - start

        return call

    return compare(
        f"{what}, prediction of 8 batches",
        Way("stock BatchNormalization", predict(stock)),
        Way("tfbn's", predict(ours), 1.02),
        Way("folded", predict(folded), 1.0),
        rounds=rounds,
        clock=lambda call: call(),
    )


if __name__ == "__main__":
    print(json.dumps([dataclasses.asdict(each) for each in measured("quick" in sys.argv)]))
