"""Every benchmark, one after another: `python -m benchmarks`, about twenty minutes on two cores.

Each runs in a separate process, so that none slows another down, and interleaves the ways that it
compares. The most important ones come first, and results are stored after each: an interrupted run
continues with `--resume`.
"""

import concurrent.futures
import multiprocessing
import os
import time
from pathlib import Path

from absl import app, flags

from benchmarks import results
from benchmarks.common import WITHOUT_ONEDNN, Row, run_benchmark

BENCHMARKS = [
    "layer",
    f"layer{WITHOUT_ONEDNN}",
    "modes",
    "jit",
    "inference",
    f"inference{WITHOUT_ONEDNN}",
    "recorder",
    "doctor",
    "recorder_backends",
    "accelerator",
    "keras_hub",
    "transforms",
    "imports",
    "plugin",
    "workers",
    "first_call",
    "frozen_prefix",
    "runner",
    "stream",
    "memory",
    "recorder_deep",
    "accuracy",
]

_ONLY = flags.DEFINE_multi_enum("only", [], BENCHMARKS, "Run only this benchmark; may be repeated.")
_QUICK = flags.DEFINE_bool("quick", False, "Tiny models and few rounds, to test that the benchmarks run.")
_RESUME = flags.DEFINE_bool("resume", False, "Skip what was measured today in the same setup.")
_MINUTES = flags.DEFINE_float("minutes", None, "Start no benchmark after this time.", lower_bound=0.0)
_FOLDER = flags.DEFINE_string("folder", str(results.FOLDER), "Where results.md and results.json are written.")


def measure(name: str, quick: bool) -> list[Row]:
    # Spawned processes load TensorFlow with this setting.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0" if name.endswith(WITHOUT_ONEDNN) else "1"
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(run_benchmark, name, quick).result()


def main(argv: list[str]) -> None:
    del argv
    folder, start = Path(_FOLDER.value), time.monotonic()
    for name in _ONLY.value or BENCHMARKS:
        about = results.machine(onednn=not name.endswith(WITHOUT_ONEDNN))
        if _RESUME.value and results.is_current(folder, name, about):
            continue
        if _MINUTES.value is not None and time.monotonic() - start > 60 * _MINUTES.value:
            print(f"== {name} left for --resume", flush=True)
            continue
        began = time.monotonic()
        print(f"== {name}", flush=True)
        rows = measure(name, _QUICK.value)
        print("\n".join(f"  {row}" for row in rows), flush=True)
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
        if not rows:  # what was measured elsewhere stays
            continue
        results.update(folder, name, rows, about, BENCHMARKS)


if __name__ == "__main__":
    app.run(main)
