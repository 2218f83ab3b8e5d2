"""What recording drift at every step costs, against training without.

Run: `python -m benchmarks.recorder`, about three minutes on two cores.

Two equal models are trained step by step, by turns. Timed apart are the train step (what
runs inside it, and the callback's part), and what is written out when an epoch ends. The
last line of each model tells whether the cost of a step grows with the steps recorded.
"""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import app, flags

from benchmarks.common import Timing, interleaved
from tfbn.callbacks import DriftRecorder

EPOCH = 100  # steps; what is written at an epoch's end is shared by so many

_ROUNDS = flags.DEFINE_integer(
    "rounds", 40, "Timed rounds of the large model; ten times as many of the small."
)


@dataclasses.dataclass(frozen=True)
class Case:
    """A model and its data.

    Attributes:
        name: For the table.
        build: Makes a compiled model.
        shape: Shape of a batch.
        steps: Steps in one timed call.
        rounds: Timed calls.
        target: What the ratio should be at most.
    """

    name: str
    build: Callable[[], Any]
    shape: tuple[int, ...]
    steps: int
    rounds: int
    target: float


def resnet20() -> Any:
    from tfbn import models

    model = models.build("resnet20", input_shape=(32, 32, 3), classes=10)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def tiny_mlp() -> Any:
    layers = keras.layers
    stack = [layers.Dense(32), layers.BatchNormalization(), layers.ReLU()]
    stack += [layers.Dense(32), layers.BatchNormalization(), layers.ReLU()]
    model = keras.Sequential([keras.Input((16,)), *stack, layers.Dense(10, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


class Recorded:
    """A model that is trained step by step, with callbacks."""

    def __init__(self, case: Case, callbacks: list[Any]):
        rng = np.random.default_rng(0)
        self.model = case.build()
        self.steps = case.steps
        self.x = keras.ops.convert_to_tensor(rng.normal(2, 3, case.shape).astype("float32"))
        self.y = keras.ops.convert_to_tensor(rng.integers(0, 10, case.shape[0]))
        self.callbacks = keras.callbacks.CallbackList(callbacks, model=self.model)
        self.callbacks.on_train_begin()
        self.epoch = 0
        self.callbacks.on_epoch_begin(self.epoch)

    def train(self) -> None:
        for batch in range(self.steps):
            self.callbacks.on_train_batch_begin(batch)
            self.model.train_on_batch(self.x, self.y)
            self.callbacks.on_train_batch_end(batch)

    def end_epoch(self) -> float:
        """Ends the epoch and begins the next; returns the seconds that took."""
        start = time.perf_counter()
        self.callbacks.on_epoch_end(self.epoch)
        self.epoch += 1
        self.callbacks.on_epoch_begin(self.epoch)
        return time.perf_counter() - start


def measure(case: Case, folder: Path) -> tuple[Timing, Timing]:
    """(without, with) the recorder, for one call of `case.steps` steps."""
    plain = Recorded(case, [])
    recorded = Recorded(case, [DriftRecorder(folder, heat_maps=False)])
    timings = interleaved({"without": plain.train, "with": recorded.train}, case.rounds)
    recorded.callbacks.on_train_end()
    return timings["without"], timings["with"]


def epoch_end_costs(case: Case, folder: Path, epochs: int = 12) -> list[float]:
    """Seconds for writing out each epoch of `EPOCH` recorded steps."""
    recorded = Recorded(dataclasses.replace(case, steps=1), [DriftRecorder(folder, heat_maps=False)])
    recorder = recorded.callbacks.callbacks[0]
    recorded.train()
    seconds = []
    for _ in range(epochs):
        # The in-step part alone fills the ring: the writing is what is measured here.
        for batch in range(EPOCH):
            recorder._source.record()
            recorder.on_train_batch_end(batch)
        seconds.append(recorded.end_epoch())
    recorded.callbacks.on_train_end()
    return seconds[1:]


def report(case: Case) -> None:
    with tempfile.TemporaryDirectory() as name:
        plain, recorded = measure(case, Path(name) / "steps")
        costs = epoch_end_costs(case, Path(name) / "epochs")
    step = plain.median / case.steps
    written = float(np.median(costs)) / EPOCH
    print(f"{case.name}, {case.steps} step(s) a call")
    print(f"  without             {plain}")
    print(f"  recorder every step {recorded}")
    print(f"  written out at epoch ends: {1e6 * written:.0f} µs a step, {written / step:.2%} of a step")
    print(f"  together: {recorded.ratio + written / step:.4f} (target at most {case.target})")
    early, late = np.mean(costs[:4]), np.mean(costs[-4:])
    print(f"  writing late / early in the training: {late / early:.2f}")


def main(argv: list[str]) -> None:
    del argv
    rounds = _ROUNDS.value
    report(Case("ResNet-20, batch 64", resnet20, (64, 32, 32, 3), 1, rounds, 1.01))
    report(Case("tiny MLP, batch 32", tiny_mlp, (32, 16), 10, 10 * rounds, 1.05))


if __name__ == "__main__":
    app.run(main)
