"""The cost of `tfbn.Doctor` in a train step, alone: in a step that it measures, and on average."""

import warnings
from collections.abc import Callable
from typing import Any

import tfbn
from benchmarks.common import Row, interleaved, row
from benchmarks.recorder import Case, Trained, of_resnet
from tfbn.callbacks.step_statistics import EVERY, LOOKS
from tfbn.graph.call_hooks import observed

STEPS = 1000  # of the run over which the looks are averaged
READS = 15  # in that run
WARM_UP = 18


def compare(case: Case) -> list[Row]:
    """Rows for a training run of `STEPS` steps; the difference of whole steps is lost in the noise."""
    doctor = tfbn.Doctor()
    plain, watched = Trained(case, []), Trained(case, [doctor])

    def read() -> None:
        doctor._report(doctor._attempt(doctor._now))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is the same batch each time, and the doctor says so
        for _ in range(WARM_UP):  # steps after which every check has what it needs
            watched.train()
        calls = {"step": plain.train, "read": read}
        calls |= {
            "look": alone(watched, doctor, LOOKS[0] - 1, 16),
            "idle": alone(watched, doctor, LOOKS[-1], 50),
        }
        seconds = interleaved(calls, case.rounds, warm_up=2)
    step, look, idle = seconds["step"] / case.steps, seconds["look"] / 16, seconds["idle"] / 50
    looks = len(LOOKS) + STEPS // EVERY
    total = looks * look + (STEPS - looks) * idle + READS * seconds["read"]
    what = f"{case.name}, a train step"
    ways = {
        "what the doctor does in it at a look, by itself": look,
        "what it does in the other steps, by itself": idle,
        "reading the looks, by itself": seconds["read"],
    }
    average = f"what it does on average over {STEPS} steps, {looks} looks, read {READS} times"
    rows = [row(what, "the whole step", way, (step, value)) for way, value in ways.items()]
    return [*rows, row(what, "the whole step", average, (step, total / STEPS), target=0.005)]


def alone(trained: Trained, doctor: Any, after: int, times: int) -> Callable[[], None]:
    """What the doctor does in the steps after step `after`, `times` of them, for inputs that are there."""
    import tensorflow as tf

    statistics, seen = doctor._in_step, []
    x = tf.random.normal(trained.shape, seed=1)
    data = x, tf.zeros(x.shape[:1], "int64")
    layers = [named.layer for named in statistics._named.values()]
    with observed(layers, lambda layer, x, training, mask: seen.append((layer, x))):
        trained.model(x, training=True)

    def one(step: Any) -> tuple[Any]:
        with statistics.around_step(data):
            for layer, x in seen:
                statistics._see(layer, x, True, None)
        return (step + 1,)

    @tf.function(autograph=False)
    def steps() -> None:
        tf.while_loop(lambda step: step < times, one, [0])

    def run() -> None:
        statistics._step.assign(after)
        steps()

    return run


def of_lite(rounds: int) -> Case:
    """An ImageNet network, with what one fine-tunes: small images and small batches."""
    name, shape = "EfficientNetLite0", (16, 96, 96, 3)

    def build() -> Any:
        return tfbn.models.pretrained(name, weights=None, input_shape=shape[1:], classes=10)

    return Case("EfficientNet-Lite0, 96x96, batch 16", build, shape, 1, rounds, 1.005, peers=False)


def run(quick: bool) -> list[Row]:
    cases = [of_resnet(8, rounds=2)] if quick else [of_resnet(20, rounds=12), of_lite(rounds=12)]
    return [row for case in cases for row in compare(case)]
