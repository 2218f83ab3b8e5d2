"""The same results on every executor, also when workers are killed."""

import dataclasses
import multiprocessing
import os
import signal
import sys

import numpy as np
import pandas as pd
import psutil
import pytest

from experiments.lab import runner
from experiments.lab.options import option
from experiments.lab.workers import give_back_memory, prepare_worker
from tests.experiments import small
from tests.experiments.test_runner import run, snapshot
from tests.waiting import until
from tfbn.utils.validation import InputError


@dataclasses.dataclass(frozen=True)
class Config(small.Config):
    kills: int = option(1, "Times that a run kills its worker.", low=0)


def run_or_die(config, cell, folder):
    """As a small run; but the first runs to come here kill their worker."""
    for i in range(config.kills):
        path = folder.parents[3] / f"killed{i}"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
    return small.run(config, cell, folder)


MORTAL = dataclasses.replace(small.EXPERIMENT, name="mortal", config_class=Config, run=run_or_die)
PLACES = {"workers": {"workers": 2}, "return": {"workers": 1, "results": "return"}}
CLUSTER = {"dask": {"scheduler": "local:2"}, "dask, return": {"scheduler": "local:2", "results": "return"}}


@pytest.mark.parametrize("place", [*PLACES, "dask", pytest.param("dask, return", marks=pytest.mark.long)])
def test_values_do_not_depend_on_the_place(place, tmp_path):
    here = run(small.Config(seeds=2, workers=0), tmp_path / "here")
    there = run(small.Config(seeds=2, **(PLACES | CLUSTER)[place]), tmp_path / "there")
    pd.testing.assert_frame_equal(here.drop(columns="seconds"), there.drop(columns="seconds"))
    files = [set(snapshot(tmp_path / name)) for name in ("here", "there")]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    # Worker processes are killed in tests/faults, too.
    "place",
    [pytest.param(place, marks=pytest.mark.long) for place in ({"workers": 2}, {"scheduler": "local:2"})],
)
def test_a_killed_worker_costs_no_run(place, tmp_path):
    undisturbed = run(small.Config(seeds=3, workers=0), tmp_path / "undisturbed")
    results = runner.run(MORTAL, Config(seeds=3, kills=3, **place), tmp_path / "mortal")
    pd.testing.assert_frame_equal(results.drop(columns="seconds"), undisturbed.drop(columns="seconds"))
    assert len(list((tmp_path / "mortal").glob("killed*"))) == 3
    assert not list(tmp_path.rglob("*.unfinished"))


@pytest.mark.long
def test_workers_of_a_cluster_are_replaced_and_results_stay(tmp_path, monkeypatch):
    calm = run(small.Config(seeds=5, workers=0), tmp_path / "calm")
    monkeypatch.setattr("experiments.lab.cluster.GROWTH", 100 * 2**20)  # a worker's third run is its last
    experiment = dataclasses.replace(small.EXPERIMENT, run=run_and_grow)
    results = runner.run(experiment, small.Config(seeds=5, scheduler="local:2"), tmp_path / "replaced")
    assert results.pid.nunique() > 2
    assert results.pid.value_counts().max() <= 4  # one may begin before it ends
    pd.testing.assert_frame_equal(results[["arm", "seed", "value"]], calm[["arm", "seed", "value"]])


HELD = []


def run_and_grow(config, cell, folder):
    """A small run that keeps 60 MB, and says on which worker."""
    HELD.append(b"x" * (60 * 2**20))
    return {**small.run(config, cell, folder), "pid": os.getpid()}


def test_workers_that_die_again_and_again_end_in_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(runner.dispatch, "IDLE_ROUNDS", 2)
    with pytest.raises(runner.dispatch.FailedRunsError, match="LostWorkerError"):
        runner.run(MORTAL, Config(seeds=1, arms=("a",), kills=99, workers=1), tmp_path)


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("tcp://127.0.0.1:9", "to be one that answers. Received: scheduler='tcp://127.0.0.1:9'"),
        ("local:none", "an address or local:<workers>. Received: scheduler='local:none'"),
        ("local:0", "an address or local:<workers>"),
        ("nonsense://x", "to be one that answers"),
    ],
)
def test_schedulers_that_cannot_serve(scheduler, message, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.lab.cluster.TIMEOUT", 0.3)
    with pytest.raises(InputError, match=message):
        run(small.Config(seeds=1, scheduler=scheduler), tmp_path / "work")


def look_around(config, cell, folder):
    """What a worker has loaded, and how many threads TensorFlow has in it."""
    tensorflow = sys.modules.get("tensorflow")
    threads = tensorflow.config.threading.get_intra_op_parallelism_threads() if tensorflow else 0
    return {"value": float(tensorflow is not None), "threads": float(threads)}


@pytest.mark.parametrize("uses_tensorflow", [True, False])
def test_workers_load_tensorflow_only_for_an_experiment_that_uses_it(uses_tensorflow, tmp_path):
    experiment = dataclasses.replace(small.EXPERIMENT, run=look_around, uses_tensorflow=uses_tensorflow)
    results = runner.run(experiment, small.Config(seeds=1, arms=("a",), workers=1), tmp_path)
    assert results[["value", "threads"]].iloc[0].tolist() == [float(uses_tensorflow)] * 2


def test_workers_end_with_their_parent():
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe()
    parent = context.Process(target=_parent_of_a_worker, args=(sender,))
    parent.start()
    worker = receiver.recv()
    assert _lives(worker)
    parent.kill()
    parent.join()
    try:
        until(lambda: not _lives(worker), seconds=20)
    finally:
        if _lives(worker):
            os.kill(worker, signal.SIGKILL)


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _parent_of_a_worker(sender):
    worker = multiprocessing.get_context("spawn").Process(target=_wait_forever, args=(sender,))
    worker.start()
    worker.join()


def _wait_forever(sender):
    prepare_worker(with_tensorflow=False)
    sender.send(os.getpid())
    signal.pause()


def test_memory_that_is_free_goes_back_to_the_system():
    process = psutil.Process()
    held = [np.ones(10_000) for _ in range(3_000)]  # small enough for the heap, 240 MB in all
    last = np.ones(10_000)  # at the end of the heap, so that it cannot simply shrink
    before = process.memory_info().rss
    del held
    give_back_memory()
    assert process.memory_info().rss < before - 150 * 2**20
    assert last.sum() == 10_000
