"""An experiment without TensorFlow, and the main job made small."""

import dataclasses
from pathlib import Path

import numpy as np

from experiments.frozen_batchnorm import __main__ as frozen_batchnorm
from experiments.lab import binary
from experiments.lab.experiment import Cell, Experiment, RunConfig, Summary
from experiments.lab.options import option
from experiments.training.arms import ARMS
from tests.waiting import until


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    arms: tuple = option(("a", "b"), "Arms.", choices=("a", "b", "fails"))
    size: int = option(3, "Numbers to draw.", low=1)
    gate: str = option("", "A file that runs of every seed but the first wait for.")


def cells(config):
    return [Cell("none", arm, seed) for arm in config.arms for seed in range(config.seeds)]


def run(config, cell, folder):
    (folder / "log.txt").write_text(cell.folder)
    if cell.arm == "fails":
        raise RuntimeError("this arm fails")
    if config.gate and cell.seed:
        until(Path(config.gate).exists)
    rng = np.random.default_rng(cell.seed)
    return {"value": float(rng.normal(size=config.size).mean()) + (cell.arm == "b")}


def summarize(config, results, folder):
    table = results[["arm", "seed", "value"]].astype({"value": str})
    return Summary(['<b> beats & "a"'], [("Values", table)], [], ["Nothing."])


def check(config):
    pass


EXPERIMENT = Experiment(
    name="small",
    question="Is b greater than a?",
    config_class=Config,
    check=check,
    cells=cells,
    run=run,
    summarize=summarize,
    uses_tensorflow=False,
)

TINY = frozen_batchnorm.Config(
    model="resnet8",
    dataset="uci_digits",
    shifts=("contrast=0.3",),
    arms=tuple(ARMS),
    seeds=2,
    workers=0,
    epochs=2,
    train_images=64,
    test_images=64,
    draws="random",
    share_features="never",
)

if __name__ == "__main__":
    binary.run(EXPERIMENT)
