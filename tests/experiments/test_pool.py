"""Worker processes that are replaced when they have grown or died."""

import functools
import multiprocessing
import os
import signal
import time
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from concurrent.futures.thread import ThreadPoolExecutor

import pytest

from experiments.lab.pool import Workers
from tests.waiting import until

HELD = []
FORKS = functools.partial(ProcessPoolExecutor, 1, mp_context=multiprocessing.get_context("forkserver"))


def hold(megabytes):
    """This worker, which keeps so much more."""
    HELD.append(b"x" * (megabytes * 2**20))
    return os.getpid()


def die(how):
    os.kill(os.getpid(), how)


def fail():
    raise ValueError("of this call")


def test_a_worker_that_has_grown_is_replaced_and_no_other():
    with Workers(1, FORKS, growth=100 * 2**20) as workers:
        pids = [workers.submit(hold, megabytes).result() for megabytes in (200, 60, 60, 0, 0)]
    # 200 are there after its first call; the third makes it 120 larger than that.
    assert pids[0] == pids[1] == pids[2]
    assert pids[3] == pids[4] != pids[0]
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_costs_one_call_and_an_error_costs_no_worker():
    with Workers(1, FORKS) as workers:
        before = workers.submit(os.getpid)
        failed, after = workers.submit(fail), workers.submit(os.getpid)
        killed, replaced = workers.submit(die, signal.SIGKILL), workers.submit(os.getpid)
        with pytest.raises(ValueError, match="of this call"):
            failed.result()
        with pytest.raises(BrokenProcessPool):
            killed.result()
        assert before.result() == after.result() != replaced.result()
        os.kill(replaced.result(), signal.SIGKILL)  # between two calls
        with pytest.raises(BrokenProcessPool):
            workers.submit(os.getpid).result()
        assert workers.submit(pow, 2, 5).result() == 32


def test_calls_are_taken_in_their_order_by_all_workers():
    began = []
    with Workers(2, functools.partial(ThreadPoolExecutor, 1)) as workers:
        assert list(workers.map(lambda i: began.append(i) or i * i, range(20))) == [i * i for i in range(20)]
    assert sorted(began) == list(range(20))
    assert began[0] < 2


def test_nothing_starts_after_the_end():
    with Workers(1, FORKS) as workers:
        running, waiting = workers.submit(time.sleep, 60), workers.submit(os.getpid)
        until(running.running)
        workers.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        with pytest.raises(BrokenProcessPool):
            running.result(timeout=20)
        with pytest.raises(CancelledError):
            waiting.result(timeout=20)
