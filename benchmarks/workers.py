"""A study of eight runs by two worker processes, against one; that they start is included."""

import dataclasses
import tempfile
from pathlib import Path

from benchmarks.common import Row, Way, compare


def run(quick: bool) -> list[Row]:
    from experiments.frozen_batchnorm import __main__ as frozen_batchnorm
    from experiments.lab import runner

    def study(workers: int) -> None:
        arms = ("inference", "batch", "recalibrated", "all_trained")
        config = frozen_batchnorm.Config(
            model="resnet8", seeds=2, workers=workers, arms=arms, shifts=("contrast=0.3",)
        )
        if quick:
            config = dataclasses.replace(config, seeds=1, arms=arms[:2], epochs=1, train_images=64)
        with tempfile.TemporaryDirectory() as folder:
            runner.run(frozen_batchnorm.EXPERIMENT, config, Path(folder))

    return compare(
        "the main job, four arms, two seeds, one shift",
        Way("one worker process", lambda: study(1)),
        Way("two worker processes", lambda: study(2), 0.60),
        rounds=1,
        warm_up=0,
    )
