"""Plants each fault in two networks and two seeds: `python -m benchmarks.diagnosis.faults`.

Writes what `tfbn.Doctor` found to `faults.json`, a row for each training; those that are there
already are left out. About 20 minutes on one core.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
from absl import app, flags

import tfbn
from benchmarks.diagnosis import networks
from benchmarks.diagnosis.catalog import ALONG, FAULTS, Fault
from benchmarks.diagnosis.rows import Row, complete

STORED = Path(__file__).parent / "faults.json"
SEEDS = (0, 1)
KEY = ("fault", "way", "network", "seed")


def examine(way: Any, network: str, seed: int, **arguments: Any) -> tfbn.Doctor:
    """A doctor that has watched a training with a fault."""
    keras.utils.set_random_seed(seed)
    model, doctor = networks.NETWORKS[network](), tfbn.Doctor(**arguments)
    x, y = networks.data(model.input_shape[1:], seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        way(model, x, y, doctor)
    return doctor


def judged(fault: Fault, way: Any, doctor: tfbn.Doctor) -> dict[str, Any]:
    """Whether a fault was found, named rightly, and when; and what was said that is not so."""
    first = next((each for each in doctor.findings if each.name in fault.name), None)
    right = {*fault.name, *ALONG.get(way.__name__, ())}
    return {
        "found": first is not None,
        "name": first and first.name,
        "step": first and first.step,
        "wrong": [name for name in doctor.findings.names if name not in right],
        "unexamined": doctor.unexamined,
    }


def trainings() -> Iterator[tuple[Fault, Any, str, int]]:
    """Every fault in one way first, and in the small network first."""
    ways = [(fault, way) for fault in FAULTS for way in fault.ways]
    for first in (True, False):
        for network in reversed(networks.NETWORKS):
            for seed in SEEDS:
                for fault, way in ways:
                    if (way is fault.ways[0]) == first:
                        yield fault, way, network, seed


def two_devices() -> None:
    """The processor as two devices, for two replicas: possible only before TensorFlow runs."""
    import tensorflow as tf

    parts = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)


def run(minutes: float | None = None, again: Sequence[str] = ()) -> None:
    """Runs the trainings that have no row yet, and these ways again."""
    planned = {
        (fault.title, way.__name__, network, seed): (fault, way) for fault, way, network, seed in trainings()
    }

    def judge(title: str, name: str, network: str, seed: int) -> Row:
        fault, way = planned[title, name, network, seed]
        return judged(fault, way, examine(way, network, seed))

    complete(STORED, KEY, planned, judge, minutes, [key for key in planned if key[1] in again])


def main(argv: list[str]) -> None:
    del argv
    two_devices()
    run(_MINUTES.value, _AGAIN.value)


if __name__ == "__main__":
    _MINUTES = flags.DEFINE_float("minutes", None, "Start no training after this time.", lower_bound=0.0)
    _AGAIN = flags.DEFINE_multi_string("again", [], "Run this way again; may be given several times.")
    app.run(main)
