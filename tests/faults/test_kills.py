"""A study that is killed again and again ends as one that is not."""

import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.faults.harness import (
    ROOT,
    Reader,
    children,
    disturbed,
    generator,
    leftovers,
    measured,
    start,
    tables_of_runs,
)


def run_undisturbed(module, *arguments):
    process = start(module, *arguments)
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, output


def check_equal(disturbed_folder, undisturbed_folder, runs):
    results = measured(disturbed_folder)
    assert len(results) == runs == len(results.drop_duplicates(["condition", "arm", "seed"]))
    pd.testing.assert_frame_equal(results, measured(undisturbed_folder))
    assert tables_of_runs(disturbed_folder) == tables_of_runs(undisturbed_folder)
    # A worker of a cluster may be at a run that another one has stored; it clears up when it ends.
    deadline = time.monotonic() + 60
    while leftovers(disturbed_folder) and time.monotonic() < deadline:
        time.sleep(1)
    assert not leftovers(disturbed_folder)


def workers_of(pid):
    """Worker processes of a main one: those that Python spawned, not its trackers."""

    def is_worker(child):
        try:
            return b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            return False

    return [child for child in children(pid) if is_worker(child)]


def test_worker_processes_and_the_main_one_are_killed(tmp_path):
    flags = ["--seeds=3", "--workers=2", "--pause=0.5"]
    module = "tests.experiments.small"
    run_undisturbed(module, *flags, f"--work_dir={tmp_path / 'calm'}")
    reader = Reader(tmp_path / "rough")
    reader.start()
    command = (module, *flags, f"--work_dir={tmp_path / 'rough'}")
    disturbed(command, workers_of, kills=2, rng=generator(1), pause=(4, 6))
    reader.stopped.set()
    reader.join()
    assert reader.polls > 20
    assert not reader.broken
    check_equal(tmp_path / "rough", tmp_path / "calm", runs=6)


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and three workers on loopback: its address, and the processes of the workers."""
    address = "tcp://127.0.0.1:18786"
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
    scheduler += ["--port", "18786", "--no-dashboard"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
    worker += ["--nworkers", "3", "--no-dashboard", "--local-directory", str(tmp_path / "dask")]
    log = (tmp_path / "dask.log").open("w")
    processes = [subprocess.Popen(scheduler, cwd=ROOT, stdout=log, stderr=log)]
    time.sleep(4)
    processes.append(subprocess.Popen(worker, cwd=ROOT, stdout=log, stderr=log))
    time.sleep(8)
    assert len(workers_of(processes[1].pid)) == 3
    yield address, lambda main: workers_of(processes[1].pid)
    for process in reversed(processes):
        process.terminate()
        process.wait(timeout=60)


@pytest.mark.long
def test_thirty_kills_on_a_cluster(cluster, tmp_path):
    address, workers = cluster
    flags = ["--experiment=frozen_batchnorm", "--grid=momentum=0.9,0.99", "--set=arms=inference,batch"]
    flags += ["--set=shifts=none,noise=0.3", "--set=epochs=1", "--set=train_images=64", "--seeds=3"]
    run_undisturbed("experiments.sweep", *flags, "--workers=2", f"--work_dir={tmp_path / 'calm'}")
    reader = Reader(tmp_path / "rough")
    reader.start()
    rough = [f"--scheduler={address}", f"--work_dir={tmp_path / 'rough'}"]
    command = ("experiments.sweep", *flags, *rough)
    disturbed(command, workers, kills=30, rng=generator(2), pause=(2, 9))
    reader.stopped.set()
    reader.join()
    assert not reader.broken
    check_equal(tmp_path / "rough", tmp_path / "calm", runs=24)
