"""Kills processes of a study at random moments, until it is done all the same."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
TIMES = ["seconds", "fit_seconds"]  # measurements that no two runs share


class Reader(threading.Thread):
    """Polls a work folder as another program would, and keeps what it should not have seen."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.polls, self.broken, self.stopped = folder, 0, [], threading.Event()

    def run(self):
        while not self.stopped.wait(0.05):
            self.polls += 1
            for path in self.folder.glob("runs/*/*/*/result.json"):
                if path.parent.suffix == ".unfinished":
                    continue
                self._try(path, lambda path: json.loads(path.read_text())["seed"])
            for path in self.folder.glob("*.parquet"):
                self._try(path, pd.read_parquet)

    def _try(self, path, read):
        try:
            read(path)
        except Exception as error:
            self.broken.append((str(path), repr(error)))


def start(module, *arguments):
    """A binary, as a user would start it, in a process group of its own."""
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def children(pid):
    """Processes that a process started, and theirs."""
    direct = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):  # each thread has its own
        with contextlib.suppress(OSError):
            direct += [int(child) for child in listed.read_text().split()]
    return [each for child in direct for each in (child, *children(child))]


def disturbed(command, victims, kills, rng, pause):
    """Starts a command again and again, killing something each time, until it ends by itself.

    Args:
        command: Arguments of `start`.
        victims: `main_pid -> pids` of the other processes that may be killed.
        kills: How many processes to kill in all.
        rng: Decides whom and when.
        pause: Least and greatest seconds between kills.

    Returns:
        What the last start printed.
    """
    done = 0
    for _ in range(10 * kills + 10):
        main = start(*command)
        while main.poll() is None and done < kills:
            with contextlib.suppress(subprocess.TimeoutExpired):
                main.wait(timeout=rng.uniform(*pause))
            candidates = [main.pid] if rng.random() < 0.3 else victims(main.pid)
            if candidates and main.poll() is None:
                done += _kill(rng.choice(candidates))
        output, _ = main.communicate(timeout=1200)
        if main.returncode == 0:
            return output
        assert main.returncode in (-signal.SIGKILL, 1), output
    raise AssertionError("never done")


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1


def measured(folder):
    """What a study measured, but for times."""
    results = pd.read_parquet(folder / "results.parquet")
    return results.drop(columns=[name for name in TIMES if name in results])


def tables_of_runs(folder):
    """The bytes of every table that a run left."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob("runs/*/*/*/*.parquet")}


def leftovers(folder):
    """Temporary files and unfinished runs."""
    return [str(p) for pattern in ("*.unfinished", "*.tmp") for p in folder.rglob(pattern)]


def generator(seed):
    return random.Random(seed)
