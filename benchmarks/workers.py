"""A study of 14 runs by two worker processes, against one."""

import dataclasses
import tempfile
from pathlib import Path

from benchmarks.common import Row, Way, compare


def run(quick: bool) -> list[Row]:
    from experiments import frozen_batchnorm
    from experiments.common import runner

    def study(workers: int) -> None:
        config = frozen_batchnorm.Config(seeds=1, workers=workers)
        if quick:
            config = dataclasses.replace(config, arms=("inference", "batch"), epochs=1, train_images=64)
        with tempfile.TemporaryDirectory() as folder:
            runner.run(frozen_batchnorm.EXPERIMENT, config, Path(folder))

    return compare(
        "the main job, one seed",
        Way("one worker process", lambda: study(1)),
        Way("two worker processes", lambda: study(2), 0.60),
        rounds=1,
        warm_up=0,
    )
