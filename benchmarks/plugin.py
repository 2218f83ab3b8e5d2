"""How fast the BatchNorm tab's routes answer over a long run of a deep network.

Run: `python -m benchmarks.plugin`, about a minute on two cores.

A run of 200 layers, 100,000 steps and all metrics is written as the recorder writes it,
loaded by each of TensorBoard's loaders, and each route is asked over HTTP as the page asks
it. "first" is the first time, with nothing in the plugin's memory.
"""

import json
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from absl import app, flags

from tfbn import drift
from tfbn.modes import Mode
from tfbn.statistics import Statistics
from tfbn.summary import Writer
from tfbn.tensorboard_plugin.serving import serving

LAYERS, CHANNELS, EPOCHS, FLUSH = 200, 64, 100, 1000
TARGET = 1.0  # seconds

_STEPS = flags.DEFINE_integer("steps", 100_000, "Steps of the run.")
_ASKED = flags.DEFINE_integer("asked", 5, "How often each route is asked.")


def write(folder: Path, steps: int) -> None:
    """Writes the run; its length is not known beforehand, the worse case."""
    rng = np.random.default_rng(0)
    paths = [f"stage{i // 40}/block{i}/bn" for i in range(LAYERS)]
    reference = {path: Statistics(rng.normal(size=CHANNELS), np.ones(CHANNELS), 1e-3) for path in paths}
    log = Writer(folder, reference)
    log.begin(dict.fromkeys(paths, Mode("batch", updates=True, trains=True)))
    rows = rng.uniform(size=(FLUSH, LAYERS, len(drift.METRICS))).astype(np.float32)
    channels = {path: rng.uniform(1, 2, (4, CHANNELS)).astype(np.float32) for path in paths}
    for begin in range(0, steps, FLUSH):
        log.rows(np.arange(begin, begin + FLUSH), rows, rng.uniform(size=(LAYERS, 2)))
        if begin % (steps // EPOCHS) == 0:
            log.channels(begin, channels)
            log.performance(begin, training={"accuracy": 0.5}, inference={"accuracy": 0.25})
        log.flush()
    log.end(heat_maps=False)


def asked() -> dict[str, str]:
    """Each route as the page asks it, by name."""
    questions: dict[str, dict[str, Any]] = {
        "runs": {},
        "heat_map": {"run": "run", "metric": "kl", "columns": 400},
        "model": {"run": "run"},
        "layer": {"run": "run", "layer": "stage2/block100/bn"},
        "performance": {"run": "run"},
    }
    return {route: f"{route}?{urlencode(arguments)}" for route, arguments in questions.items()}


def ask(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        return response.read()


def wait_until_loaded(plugin: str, steps: int) -> None:
    """Asks until the last step is there."""
    while True:
        runs = json.loads(ask(f"{plugin}runs"))["runs"]
        if runs and json.loads(ask(f"{plugin}model?run=run"))["step"] == steps - 1:
            return
        time.sleep(0.2)


def report(folder: Path, flag: str) -> None:
    """Starts TensorBoard with a loader and asks every route."""
    start = time.perf_counter()
    with serving(folder, flag) as url:
        plugin = f"{url}data/plugin/tfbn/"
        wait_until_loaded(plugin, _STEPS.value)
        print(f"{flag}: started and loaded in {time.perf_counter() - start:.1f} s")
    with serving(folder, flag, "--reload_interval=600") as url:
        plugin = f"{url}data/plugin/tfbn/"
        time.sleep(time.perf_counter() - start)  # loaded by now, with nothing in the plugin's memory
        for route, question in asked().items():
            seconds = []
            for _ in range(_ASKED.value):
                asked_at = time.perf_counter()
                answer = ask(plugin + question)
                seconds.append(time.perf_counter() - asked_at)
            missed = "" if max(seconds) < TARGET else f"  more than {TARGET} s"
            median = statistics.median(seconds)
            size = len(answer) / 1e3
            print(f"  {route:12} first {seconds[0]:.3f} s, median {median:.3f} s, {size:6.0f} kB{missed}")


def main(argv: list[str]) -> None:
    del argv
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        write(Path(name) / "run", _STEPS.value)
        size = sum(path.stat().st_size for path in Path(name).rglob("*") if path.is_file())
        print(f"{LAYERS} layers, {_STEPS.value:,} steps, {len(drift.METRICS)} metrics")
        print(f"written in {time.perf_counter() - start:.1f} s, {size / 1e6:.0f} MB")
        for loader in ("--load_fast=true", "--load_fast=false"):
            report(Path(name), loader)


if __name__ == "__main__":
    app.run(main)
