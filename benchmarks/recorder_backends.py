"""The cost of recording drift at every step on JAX and PyTorch, in the environment of `make test-backends`.

Two equal models are fitted alternately, one of them with a recorder. The times compared are those of
an epoch, from its second step to the recorder's writing at its end. By itself: the recorder's work
after a batch, repeated, waiting for the device each time.
"""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Row, row

PYTHON = Path(__file__).parents[1] / ".venv-backends" / "bin" / "python"
BACKENDS = ("jax", "torch")
STEPS, ROUNDS, BATCH = 20, 5, 64
LIMIT = 0.02


def run(quick: bool) -> list[Row]:
    return in_environments(__name__, quick)


def in_environments(module: str, quick: bool) -> list[Row]:
    """The rows that a benchmark measures in a process of each backend's own."""
    return [one for backend in BACKENDS for one in _in_its_environment(module, backend, quick)]


def _in_its_environment(module: str, backend: str, quick: bool) -> list[Row]:
    python = PYTHON if PYTHON.exists() else sys.executable
    if not PYTHON.exists() and importlib.util.find_spec(backend) is None:
        print(f"  no {backend} here, and no .venv-backends, which `make test-backends` makes", flush=True)
        return []
    command = [str(python), "-m", module, *(["quick"] if quick else [])]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{backend}: {done.stderr[-2000:]}")
    return [Row(**fields) for fields in json.loads(done.stdout.splitlines()[-1])]


def measured(quick: bool) -> list[Row]:
    """The rows of the backend that Keras runs in this process."""
    import keras

    import tfbn
    from benchmarks.networks import cifar

    network = cifar(8, 4) if quick else cifar(20, BATCH)
    steps, rounds = (3, 1) if quick else (STEPS, ROUNDS)
    rng = np.random.default_rng(0)
    batch = network.shape[0]
    x = rng.normal(1, 2, (batch * steps, *network.shape[1:])).astype("float32")
    y = rng.integers(0, 10, batch * steps)
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as folder:
        recorder = tfbn.DriftRecorder(folder)
        callbacks: dict[str, list[Any]] = {"without": [], "with": [recorder]}
        models = {name: network.build() for name in callbacks}
        for model in models.values():
            model.compile("sgd", "sparse_categorical_crossentropy")
        for turn in range(-1, rounds):
            for name in callbacks if turn % 2 else reversed(callbacks):
                timer = step_timer()
                given = [*callbacks[name], timer]
                models[name].fit(x, y, batch_size=batch, shuffle=False, verbose=0, callbacks=given)
                if turn >= 0:
                    seconds[name].append(timer.seconds / (steps - 1))
        alone = _alone(models["with"], Path(folder) / "alone")
    what = f"{network.name}, a train step on {keras.backend.backend()}, every step recorded"
    plain = np.array(seconds["without"])
    pair = (plain, np.array(seconds["with"]))
    by_itself = (plain, np.full_like(plain, alone))
    says = "what the recorder does after it, by itself"
    return [
        row(what, "no recorder", "tfbn.DriftRecorder", pair, target=1 + LIMIT),
        row(what, "the whole step", says, by_itself, target=LIMIT),
    ]


def step_timer() -> Any:
    """A callback."""
    import keras

    class Timer(keras.callbacks.Callback):
        """Seconds from the beginning of the second step to the end of the epoch."""

        seconds = start = 0.0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds = time.perf_counter() - self.start

    return Timer()


def _alone(model: Any, folder: Path, times: int = 200) -> float:
    """Seconds of the recorder's work after a batch."""
    import keras

    import tfbn

    recorder = tfbn.DriftRecorder(folder, tensorboard=False)
    callbacks = keras.callbacks.CallbackList([recorder], model=model)
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(0)
    seconds = []
    for batch in range(times):
        callbacks.on_train_batch_begin(batch)
        start = time.perf_counter()
        callbacks.on_train_batch_end(batch)
        np.asarray(keras.ops.convert_to_numpy(recorder._recording.source._values[-1]))
        seconds.append(time.perf_counter() - start)
    callbacks.on_train_end()
    return float(np.median(seconds))


if __name__ == "__main__":
    print(json.dumps([dataclasses.asdict(each) for each in measured("quick" in sys.argv)]))
