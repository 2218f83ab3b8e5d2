"""New processes: importing tfbn's layers against importing Keras, and answers that load neither."""

import resource
import subprocess
import sys
import time

from benchmarks.common import Row, Way, at_most, compare

# Commands that must answer in under a second of CPU time.
ANSWERS = {
    "tfbn --help": ["-c", "import sys; from tfbn.cli.main import main; sys.exit(main(['--help']))"],
    "tfbn audt": ["-c", "import sys; from tfbn.cli.main import main; sys.exit(main(['audt']))"],
    "the main job, --help": ["-m", "experiments.frozen_batchnorm", "--help"],
    "the main job, a mistyped flag": ["-m", "experiments.frozen_batchnorm", "--seds=3"],
}
LIMIT = 1.0


def run(quick: bool) -> list[Row]:
    def importing(name: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {name}"], check=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    baseline = Way("import keras", lambda: importing("keras"))
    ours = Way("import tfbn.layers", lambda: importing("tfbn.layers"), 1.05)
    rounds = 1 if quick else 3
    rows = compare("a new Python process", baseline, ours, rounds=rounds, warm_up=0 if quick else 1)
    asked = [at_most(what, LIMIT, "CPU time", _cpu(command), "s") for what, command in ANSWERS.items()]
    return [*rows, *asked]


def _cpu(arguments: list[str]) -> float:
    """CPU time of a new Python process, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
