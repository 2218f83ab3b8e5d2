"""Logs of a real main job: seven arms, two shifts, two seeds, with few images and steps.

`python -m tests.tensorboard.main_job` runs it, about a minute on two cores, and packs what TensorBoard
reads into `main_job.tar.xz`; the browser tests unpack that.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from experiments.training.arms import ARMS

ARCHIVE = Path(__file__).with_suffix(".tar.xz")
SHIFTS, SEEDS = ("contrast=0.3", "noise=0.3"), 2
RUNS = len(ARMS) * len(SHIFTS) * SEEDS
FLAGS = (
    "--model=resnet8",
    f"--seeds={SEEDS}",
    f"--shifts={','.join(SHIFTS)}",
    "--epochs=4",
    "--train_images=64",
    "--test_images=64",
)
PATTERN = "*/*/seed*/**/*.tfevents.*"


def run(folder: Path) -> None:
    """Runs the main job and leaves its log folder there."""
    command = [sys.executable, "-m", "experiments.frozen_batchnorm", *FLAGS, f"--work_dir={folder}"]
    subprocess.run(command, check=True)


def pack(runs: Path) -> None:
    """Packs the logs of all runs; the same logs give the same archive."""
    paths = sorted(runs.glob(PATTERN))
    assert len({path.relative_to(runs).parts[:3] for path in paths}) == RUNS
    with tarfile.open(ARCHIVE, "w:xz", preset=9) as archive:
        for path in paths:
            archive.add(path, path.relative_to(runs), filter=_anonymous)


def unpack(folder: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    # events.out.tfevents.<seconds>.<machine>.<process>.<count>.<suffix>: without the machine's name.
    folder, _, name = entry.name.rpartition("/")
    parts = name.split(".")
    entry.name = "/".join([folder, ".".join([*parts[:4], "machine", *parts[-3:]])])
    return entry


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        run(Path(name))
        pack(Path(name) / "runs")
