"""The cost of recording drift at every step with 109 BatchNormalization layers."""

import tempfile
from pathlib import Path

from benchmarks import recorder
from benchmarks.common import Row


def run(quick: bool) -> list[Row]:
    case = recorder.of_resnet(8, rounds=2) if quick else recorder.of_resnet(110, rounds=6)
    with tempfile.TemporaryDirectory() as folder:
        return recorder.compare(case, Path(folder))
