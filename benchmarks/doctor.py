"""The cost of `tfbn.Doctor` in a train step, alone: in a step that it measures, and on average."""

import time
from typing import Any

import numpy as np

import tfbn
from benchmarks.common import Row, interleaved, row
from benchmarks.recorder import Case, Trained, of_resnet
from tfbn.callbacks.step_statistics import EVERY, LOOKS

STEPS = 1000  # of the run over which the looks are averaged


def compare(case: Case) -> list[Row]:
    """Rows for a training run of `STEPS` steps; the difference of whole steps is lost in the noise."""
    trained = Trained(case, [])
    step = float(np.median(interleaved({"step": trained.train}, case.rounds, warm_up=2)["step"])) / case.steps
    doctor = tfbn.Doctor()
    watched = Trained(case, [doctor])
    watched.train()
    looking, idle = (alone(watched, doctor, look) for look in (True, False))
    read = float(np.median([_read(watched, doctor) for _ in range(5)]))
    looks = len(LOOKS) + STEPS // EVERY
    total = looks * looking + (STEPS - looks) * idle + 15 * read
    what = f"{case.name}, a train step"
    return [
        _row(what, "what the doctor does in it at a look, by itself", step, looking, None),
        _row(what, "what it does in the other steps, by itself", step, idle, None),
        _row(
            what, f"what it does on average over {STEPS} steps, reading included", step, total / STEPS, 0.005
        ),
    ]


def alone(trained: Trained, doctor: Any, look: bool, times: int = 20) -> float:
    """Seconds of the forward pass with the doctor around it, less those without."""
    import tensorflow as tf

    statistics = doctor._in_step
    x = tf.random.normal(trained.shape, seed=1)
    data = x, tf.zeros(x.shape[:1], "int64")

    def forward(watch: bool) -> Any:
        def once() -> Any:
            outputs = trained.model(data[0], training=True)
            return tf.reduce_sum(outputs)

        @tf.function
        def run() -> Any:
            if not watch:
                return once()
            with statistics.around_step(data):
                return once()

        return run

    # A step of the number of a look, or between two of them, each time.
    number = LOOKS[0] if look else LOOKS[-1] + 1
    watched, plain = forward(True), forward(False)

    def run_watched() -> None:
        for _ in range(times):
            statistics._step.assign(number - 1)
            watched()

    def run_plain() -> None:
        for _ in range(times):
            statistics._step.assign(number - 1)
            plain()

    seconds = interleaved({"watched": run_watched, "plain": run_plain}, rounds=8, warm_up=1)
    return float(np.median(seconds["watched"] - seconds["plain"])) / times


def _read(trained: Trained, doctor: Any) -> float:
    start = time.perf_counter()
    doctor._report(doctor._attempt(doctor._now))
    return time.perf_counter() - start


def _row(what: str, ours: str, step: float, seconds: float, target: float | None) -> Row:
    return row(
        what, "the whole step", ours, (np.full(2, step), np.full(2, max(seconds, 1e-9))), target=target
    )


def of_lite(rounds: int) -> Case:
    """An ImageNet network, with what one fine-tunes: small images and small batches."""
    name, shape = "EfficientNetLite0", (16, 96, 96, 3)

    def build() -> Any:
        return tfbn.models.pretrained(name, weights=None, input_shape=shape[1:], classes=10)

    return Case("EfficientNet-Lite0, 96x96, batch 16", build, shape, 1, rounds, 1.005, peers=False)


def run(quick: bool) -> list[Row]:
    cases = [of_resnet(8, rounds=2)] if quick else [of_resnet(20, rounds=12), of_lite(rounds=12)]
    return [row for case in cases for row in compare(case)]
