"""A study whose processes are killed ends as one that nothing disturbed."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from experiments.lab import runner
from tests.experiments import small
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
from tests.waiting import until


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
    until(lambda: not leftovers(disturbed_folder))


def workers_of(pid):
    """Worker processes of a main one: those that Python spawned, not its trackers."""

    def is_worker(child):
        try:
            return b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            return False

    return [child for child in children(pid) if is_worker(child)]


def test_a_worker_and_then_the_main_process_are_killed(tmp_path):
    """Both while two runs are under way and others are stored; then the same command ends the study."""
    runner.run(small.EXPERIMENT, small.Config(seeds=3, workers=0), tmp_path / "calm")
    rough, gate = tmp_path / "rough", tmp_path / "gate"
    command = ("tests.experiments.small", "--seeds=3", "--workers=2", f"--gate={gate}", f"--work_dir={rough}")
    reader = Reader(rough)
    reader.start()
    main = start(*command)
    workers, begun = at_work(main, rough)
    os.kill(workers[0], signal.SIGKILL)
    workers, _ = at_work(main, rough, before=begun, runs=1)  # the other worker stays at its run
    os.kill(main.pid, signal.SIGKILL)
    main.communicate(timeout=60)
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    stored = {path: path.stat().st_mtime_ns for path in rough.glob("runs/*/*/*/result.json")}
    gate.touch()
    run_undisturbed(*command)
    reader.stopped.set()
    reader.join()
    assert reader.polls > 20
    assert not reader.broken
    check_equal(rough, tmp_path / "calm", runs=6)
    assert stored
    assert all(path.stat().st_mtime_ns == when for path, when in stored.items())


def at_work(main, folder, before=(), runs=2):
    """Waits until two workers are at runs, `runs` of them new, and another run is stored; these workers and
    the folders of the new runs."""

    def busy():
        assert main.poll() is None, main.communicate()[0]
        begun = set(folder.glob("runs/*/*/*.unfinished")).difference(before)
        workers, stored = workers_of(main.pid), any(folder.glob("runs/*/*/*/result.json"))
        return (workers, begun) if stored and (len(begun), len(workers)) == (runs, 2) else None

    return until(busy)


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
    until(lambda: _listens(18786))
    processes.append(subprocess.Popen(worker, cwd=ROOT, stdout=log, stderr=log))
    until(lambda: len(workers_of(processes[1].pid)) == 3)
    yield address, lambda main: workers_of(processes[1].pid)
    for process in reversed(processes):
        process.terminate()
        process.wait(timeout=60)


def _listens(port):
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.long
def test_thirty_kills_on_a_cluster(cluster, tmp_path):
    address, workers = cluster
    flags = ["--experiment=frozen_batchnorm", "--grid=momentum=0.9,0.99", "--set=arms=inference,batch"]
    flags += [
        "--set=model=resnet8",
        "--set=shifts=none,noise=0.3",
        "--set=epochs=1",
        "--set=train_images=64",
        "--seeds=3",
    ]
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
