"""The cost of recording drift at every step, compared with other ways to record it.

Equal models are trained step by step, interleaved. Writing at the end of an epoch is measured
separately and divided by its steps.
"""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import tfbn
from benchmarks.common import Row, interleaved, row
from benchmarks.common import memory as memory_now
from benchmarks.networks import cifar
from benchmarks.peers import NumpyRecorder

EPOCH = 100  # steps that share what is written at an epoch's end
EPOCHS = 15  # whose ends are timed: in three, what only the first ones do counts as typical


@dataclasses.dataclass(frozen=True)
class Case:
    """A model, its data, and how it is timed.

    Attributes:
        name: For the table.
        build: Makes the model.
        shape: Of a batch.
        steps: Steps in one timed call.
        rounds: Timed calls.
        target: What the recorder's ratio should be at most.
        steps_per_execution: Of `compile`.
        peers: Whether other ways of recording are timed, too.
    """

    name: str
    build: Callable[[], Any]
    shape: tuple[int, ...]
    steps: int
    rounds: int
    target: float
    steps_per_execution: int = 1
    peers: bool = True


def mlp() -> Any:
    """Two layers of BatchNormalization and a step of about 2 ms: overhead has nowhere to hide."""
    layers = keras.layers
    stack = [layers.Dense(256), layers.BatchNormalization(), layers.ReLU()]
    stack += [layers.Dense(256), layers.BatchNormalization(), layers.ReLU()]
    return keras.Sequential([keras.Input((16,)), *stack, layers.Dense(10, activation="softmax")])


def of_resnet(depth: int, rounds: int, peers: bool = False) -> Case:
    network = cifar(depth)
    return Case(network.name, network.build, network.shape, 1, rounds, 1.005, peers=peers)


def cases(quick: bool) -> list[Case]:
    name = "MLP of width 256, batch 128"
    if quick:
        return [Case(name, mlp, (8, 16), 2, 2, 1.05)]
    large = [of_resnet(20, rounds=30, peers=True), of_resnet(56, rounds=12)]
    small = [Case(name, mlp, (128, 16), 20, 60, 1.05)]
    return [*large, *small, dataclasses.replace(small[0], steps_per_execution=10, steps=2, peers=False)]


class Trained:
    """Trains a model as `fit` does, in pieces that can be timed."""

    def __init__(self, case: Case, callbacks: list[Any]):
        import tensorflow as tf

        rng = np.random.default_rng(0)
        self.model, self.steps, self.shape = case.build(), case.steps, case.shape
        self.model.compile(
            "sgd",
            "sparse_categorical_crossentropy",
            jit_compile=False,
            steps_per_execution=case.steps_per_execution,
        )
        batch = rng.normal(2, 3, case.shape).astype("float32"), rng.integers(0, 10, case.shape[0])
        self.batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
        self.callbacks = keras.callbacks.CallbackList(callbacks, model=self.model)
        self.callbacks.on_train_begin()
        self.model.make_train_function()
        self.batch = self.epoch = 0
        self.callbacks.on_epoch_begin(0)

    def train(self) -> None:
        for _ in range(self.steps):
            self.callbacks.on_train_batch_begin(self.batch)
            logs = self.model.train_function(self.batches)
            self.callbacks.on_train_batch_end(self.batch, logs)
            self.batch += 1
        float(logs["loss"])  # waits for the device

    def end_epoch(self) -> float:
        """Ends the epoch and begins the next; returns the seconds that took."""
        start = time.perf_counter()
        self.callbacks.on_epoch_end(self.epoch, {})
        seconds = time.perf_counter() - start
        self.epoch += 1
        self.callbacks.on_epoch_begin(self.epoch)
        return seconds


def compare(case: Case, folder: Path) -> list[Row]:
    ways = {
        "no recorder": ([], None),
        "tfbn.DriftRecorder": ([tfbn.DriftRecorder(folder / "drift", heat_maps=False)], case.target),
    }
    if case.peers:
        logs = str(folder / "tensorboard")
        board = keras.callbacks.TensorBoard(logs, histogram_freq=1, update_freq=1, write_graph=False)
        ways["numpy in on_train_batch_end"] = [NumpyRecorder()], None
        ways["keras.callbacks.TensorBoard(histogram_freq=1, update_freq=1)"] = [board], None
    trained = {name: Trained(case, callbacks) for name, (callbacks, _) in ways.items()}
    seconds = interleaved({name: each.train for name, each in trained.items()}, case.rounds, warm_up=3)
    plain = seconds.pop("no recorder")
    share = case.steps * case.steps_per_execution / EPOCH
    rows = []
    for name, values in seconds.items():
        written = float(np.median([_epoch(trained[name]) for _ in range(EPOCHS)]))
        what = f"{case.name}, a train step, every step recorded"
        if case.steps_per_execution > 1:
            what += f", steps_per_execution={case.steps_per_execution}"
        target = ways[name][1]
        rows.append(row(what, "no recorder", name, (plain, values + share * written), target=target))
        if target is not None:
            alone = alone_in_a_graph(trained[name]) + written / EPOCH
            steps = plain / (case.steps * case.steps_per_execution)
            pair = steps, np.full_like(steps, alone)
            rows.append(
                row(
                    what,
                    "the whole step",
                    "what the recorder does in it, by itself",
                    pair,
                    target=round(target - 1, 3),
                )
            )
    return rows


def alone_in_a_graph(trained: Trained, times: int = 80) -> float:
    """Seconds of the recorder's operations in a train step, measured alone.

    On most machines the difference between two steps of 100 ms is lost in the noise; this is not.
    """
    import tensorflow as tf

    [recorder] = [c for c in trained.callbacks.callbacks if isinstance(c, tfbn.DriftRecorder)]

    @tf.function
    def record() -> None:
        for _ in tf.range(times):
            recorder._recording.source.record()

    seconds = interleaved({"record": record}, rounds=10)["record"]
    for batch in range(12 * times):
        recorder._recording.source.batch_ended(batch)
    recorder._recording.flush()
    return float(np.median(seconds)) / times


def _epoch(trained: Trained) -> float:
    """Seconds of writing at the end of an epoch of `EPOCH` recorded steps."""
    for callback in trained.callbacks.callbacks:
        if isinstance(callback, tfbn.DriftRecorder):
            for batch in range(EPOCH):
                callback._recording.source.record()  # the operations inside the step are timed elsewhere
                callback.on_train_batch_end(batch)
    return trained.end_epoch()


def memory(folder: Path, thousands: tuple[int, int]) -> Row:
    """The process's memory after few and after many recorded steps."""
    import tensorflow as tf

    case = Case("", mlp, (8, 16), 1, 1, 1.05)
    recorder = tfbn.DriftRecorder(folder, heat_maps=False)
    trained = Trained(case, [recorder])
    trained.train()

    @tf.function
    def record_a_thousand() -> None:
        for _ in tf.range(1000):
            recorder._recording.source.record()

    sizes = []
    for count in range(1, thousands[1] + 1):
        record_a_thousand()
        for batch in range(1000):
            recorder._recording.source.batch_ended(batch)
        trained.end_epoch()
        if count in thousands:
            sizes.append([memory_now()])
    what = f"memory of the process after {thousands[1]},000 recorded steps"
    return row(what, f"after {thousands[0]},000", "tfbn.DriftRecorder", sizes, "MiB", target=1.02)


def run(quick: bool) -> list[Row]:
    rows = []
    for case in cases(quick):
        with tempfile.TemporaryDirectory() as name:
            rows += compare(case, Path(name))
        keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as name:
        return [*rows, memory(Path(name), (1, 2) if quick else (10, 100))]
