"""An experiment without TensorFlow, and the main job made small."""

import dataclasses
import time

import numpy as np

from experiments.frozen_batchnorm import __main__ as frozen_batchnorm
from experiments.lab import binary
from experiments.lab.experiment import Cell, Experiment, RunConfig, Summary
from experiments.lab.options import option


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    arms: tuple = option(("a", "b"), "Arms.", choices=("a", "b", "fails"))
    size: int = option(3, "Numbers to draw.", low=1)
    pause: float = option(0.0, "Seconds that a run takes longer.", low=0.0)


def cells(config):
    return [Cell("none", arm, seed) for arm in config.arms for seed in range(config.seeds)]


def run(config, cell, folder):
    (folder / "log.txt").write_text(cell.folder)
    if cell.arm == "fails":
        raise RuntimeError("this arm fails")
    time.sleep(config.pause)
    rng = np.random.default_rng(cell.seed)
    return {"value": float(rng.normal(size=config.size).mean()) + (cell.arm == "b")}


def summarize(config, results, folder):
    table = results[["arm", "seed", "value"]].astype({"value": str})
    return Summary(['<b> beats & "a"'], [("Values", table)], [], ["Nothing."])


def check(config):
    pass


EXPERIMENT = Experiment("small", "Is b greater than a?", Config, check, cells, run, summarize)

TINY = frozen_batchnorm.Config(
    seeds=2,
    workers=0,
    epochs=2,
    train_images=64,
    test_images=64,
    shifts=("contrast=0.3",),
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
