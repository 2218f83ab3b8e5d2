"""Importing tfbn against importing Keras, each in a new process."""

import subprocess
import sys
import time

from benchmarks.common import Row, Way, compare


def run(quick: bool) -> list[Row]:
    def importing(name: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {name}"], check=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    baseline = Way("import keras", lambda: importing("keras"))
    ours = Way("import tfbn", lambda: importing("tfbn"), 1.05)
    rounds = 1 if quick else 5
    return compare("a new Python process", baseline, ours, rounds=rounds, warm_up=0 if quick else 1)
