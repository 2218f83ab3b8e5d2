"""Where the time of a train step goes: milliseconds of each kind of operation, on one thread.

`python -m benchmarks.operations --depth=20 --onednn=0` prints, for a CIFAR ResNet with stock Keras's layer,
with tfbn's and without BatchNormalization, what TensorFlow's profiler says. It explains a ratio of the other
benchmarks; the sum is not the step's time, which has gaps between operations.
"""

import concurrent.futures
import multiprocessing
import os
import re
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags

import tfbn
from benchmarks.networks import Timed, cifar

_DEPTH = flags.DEFINE_integer("depth", 20, "Layers of the network.")
_BATCH = flags.DEFINE_integer("batch", 64, "Images in a batch.", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 12, "Steps to profile; each operation counts with its median.")
_ONEDNN = flags.DEFINE_integer("onednn", 1, "TF_ENABLE_ONEDNN_OPTS.", 0, 1)
_FROZEN = flags.DEFINE_bool("frozen", False, "Freeze all but the head, with training=False.")
_LEAST = 0.3  # milliseconds of a kind that gets a row


def by_kind(step: Callable[[], Any], steps: int) -> dict[str, float]:
    """Milliseconds of each kind of operation in a step.

    Args:
        step: Runs one step and waits for it; traced before.
        steps: How many to profile.
    """
    import tensorflow as tf

    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=3, python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, options)
        for _ in range(steps):
            step()
        tf.profiler.experimental.stop()
        [path] = Path(folder).rglob("*.xplane.pb")
        runs = _durations(path.read_bytes(), steps)
    kinds: dict[str, float] = defaultdict(float)
    for (_, kind), milliseconds in runs.items():
        kinds[kind] += statistics.median(milliseconds) * len(milliseconds) / steps
    return dict(kinds)


def _durations(profile: bytes, steps: int) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of every run of each operation, by its name and kind."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    runs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for plane in xplane_pb2.XSpace.FromString(profile).planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                found = re.fullmatch(r"([\w/.>-]+):(_?[A-Z]\w+)", name)
                if found:
                    runs[found[1], found[2]].append(event.duration_ps / 1e9)
    return runs


def table(kinds: dict[str, dict[str, float]]) -> str:
    """Kinds of operations as rows, ways as columns; those that take little everywhere together."""
    names = {name for each in kinds.values() for name in each}
    large = sorted(
        (name for name in names if max(each.get(name, 0) for each in kinds.values()) >= _LEAST),
        key=lambda name: -max(each.get(name, 0) for each in kinds.values()),
    )
    rows = [(name, [each.get(name, 0) for each in kinds.values()]) for name in large]
    rows += [
        ("others", [sum(ms for name, ms in each.items() if name not in large) for each in kinds.values()])
    ]
    rows += [("together", [sum(each.values()) for each in kinds.values()])]
    lines = [f"| operation, ms a step | {' | '.join(kinds)} |", "|---" * (len(kinds) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(f'{ms:.1f}' for ms in values)} |" for name, values in rows]
    return "\n".join(lines)


def of_network(depth: int, batch: int, steps: int, frozen: bool) -> dict[str, dict[str, float]]:
    """`by_kind` of a train step with stock Keras's layer, with tfbn's and without any."""
    network = cifar(depth, batch)
    models = {"stock": network.stock(), "tfbn": network.build(), "none": network.bare()}  # type: ignore[misc]
    kinds = {}
    for name, model in models.items():
        if frozen and name == "tfbn":
            tfbn.freeze(model, ("stem", "stage*"), training=False)
        for layer in model.layers if frozen and name != "tfbn" else ():
            layer.trainable = layer.name.startswith("head")
        timed = Timed(model, network.shape)
        for _ in range(3):
            timed.train()
        kinds[name] = by_kind(timed.train, steps)
    return kinds


def main(argv: list[str]) -> None:
    del argv
    # TensorFlow has been loaded here; a spawned process loads it with these.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(_ONEDNN.value)
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        options = _DEPTH.value, _BATCH.value, _STEPS.value, _FROZEN.value
        print(table(pool.submit(of_network, *options).result()))


if __name__ == "__main__":
    app.run(main)
