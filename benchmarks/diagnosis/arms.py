"""Healthy arms of the main job that `tfbn.Doctor` watches: `python -m benchmarks.diagnosis.arms`.

Each run is a `fit` of all of EfficientNet-Lite0, as the main job has it with --share_features=never.
What is found is written to `arms.json` run by run; runs that are there already are left out.
Arms with a fault on purpose (a slow momentum, held statistics where the batch normalizes) are not healthy.
"""

import functools
import time
import warnings
from pathlib import Path
from typing import Any

import keras
from absl import app, flags

import tfbn
from benchmarks.diagnosis.rows import complete
from experiments.frozen_batchnorm.__main__ import Config
from experiments.frozen_batchnorm.defaults import with_defaults
from experiments.training import training, transfer
from experiments.training.arms import ARMS

STORED = Path(__file__).parent / "arms.json"
HEALTHY = ("inference", "batch", "inference_updating", "recalibrated", "all_trained")
KEY = ("seed", "shift", "arm")


def examine(config: Any, seed: int, shift: str, arm: str) -> dict[str, Any]:
    """What the doctor finds in one run."""
    keras.utils.set_random_seed(seed)
    split = transfer.prepared_split(config, shift, seed)
    model = transfer.build(config, ARMS[arm], seed, split.classes, Path("unused"))
    if ARMS[arm].recalibrate:
        tfbn.recalibrate(model, **training.batches(split.train_x, config.batch_size), verbose=False)
    doctor, start = tfbn.Doctor(batch_size=config.batch_size), time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transfer.fit(config, model, split, seed, [doctor])
    return {
        "steps": int(model.optimizer.iterations),
        "unexamined": doctor.unexamined,
        "seconds": round(time.monotonic() - start, 1),
        "findings": [finding.to_dict() for finding in doctor.findings],
    }


def run(minutes: float | None = None) -> None:
    """Trains what has no row yet, the first seed of all arms first."""
    config = with_defaults(Config())
    keys = [(seed, shift, arm) for seed in range(config.seeds) for shift in config.shifts for arm in HEALTHY]
    complete(STORED, KEY, keys, functools.partial(examine, config), minutes)


def main(argv: list[str]) -> None:
    del argv
    run(_MINUTES.value)


if __name__ == "__main__":
    _MINUTES = flags.DEFINE_float("minutes", None, "Start no training after this time.", lower_bound=0.0)
    app.run(main)
