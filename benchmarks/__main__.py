"""Every benchmark, one after another: `python -m benchmarks`, about a quarter of an hour.

Each runs in a process of its own, so that none slows another by what it leaves behind, and
within it what is compared takes turns.
"""

import concurrent.futures
import multiprocessing
from pathlib import Path

from absl import app, flags

from benchmarks import results
from benchmarks.common import Row, run_benchmark

BENCHMARKS = [
    "layer",
    "modes",
    "inference",
    "first_call",
    "jit",
    "memory",
    "recorder",
    "recorder_deep",
    "doctor",
    "plugin",
    "frozen_prefix",
    "imports",
    "workers",
    "runner",
    "accuracy",
]

_ONLY = flags.DEFINE_multi_enum("only", [], BENCHMARKS, "Run only this one; may be given several times.")
_QUICK = flags.DEFINE_bool("quick", False, "Tiny models and few rounds: that it runs, not how fast.")
_FOLDER = flags.DEFINE_string("folder", str(results.FOLDER), "Where results.md and results.json are written.")


def measure(name: str, quick: bool) -> list[Row]:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(run_benchmark, name, quick).result()


def main(argv: list[str]) -> None:
    del argv
    for name in _ONLY.value or BENCHMARKS:
        print(f"== {name}", flush=True)
        about = results.machine()
        rows = measure(name, _QUICK.value)
        print("\n".join(f"  {row}" for row in rows), flush=True)
        results.update(Path(_FOLDER.value), name, rows, about, BENCHMARKS)


if __name__ == "__main__":
    app.run(main)
