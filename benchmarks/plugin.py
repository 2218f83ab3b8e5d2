"""How fast the BatchNorm tab's routes answer over a long run of a deep network.

The run is written as the recorder writes it, its length not known beforehand, and loaded by
each of TensorBoard's loaders; each route is asked over HTTP as the page asks it, the first
time with nothing in the plugin's memory.
"""

import json
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from benchmarks.common import Row, row
from tfbn.layers.modes import Mode
from tfbn.statistics import drift
from tfbn.statistics.snapshots import Statistics
from tfbn.summary import Writer
from tfbn.tensorboard_plugin.serving import serving

LAYERS, CHANNELS, EPOCHS, FLUSH = 200, 64, 100, 1000
LAYER = "stage2/block100/bn"
TARGET = 1.0  # seconds
# Route -> what the page asks it.
QUESTIONS: dict[str, dict[str, Any]] = {
    "runs": {},
    "heat_map": {"run": "run", "metric": "kl", "columns": 400},
    "model": {"run": "run"},
    "layer": {"run": "run", "layer": LAYER},
    "performance": {"run": "run"},
}


def run(quick: bool) -> list[Row]:
    steps, asked = (2000, 1) if quick else (100_000, 5)
    with tempfile.TemporaryDirectory() as name:
        write(Path(name) / "run", steps)
        return [
            row(
                f"BatchNorm tab, {LAYERS} layers x {steps:,} steps x {len(drift.METRICS)} metrics, {flag}",
                "a second",
                f"/{route}, the slowest of {asked}, the first included",
                ([TARGET], [max(seconds)]),
                unit="s",
                target=TARGET,
            )
            for flag in ("--load_fast=true", "--load_fast=false")
            for route, seconds in answer_times(Path(name), flag, asked).items()
        ]


def write(folder: Path, steps: int) -> None:
    """Writes the run."""
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


def answer_times(folder: Path, flag: str, asked: int) -> dict[str, list[float]]:
    """Seconds of each answer by route, from a TensorBoard that has loaded the run."""
    with serving(folder, flag) as url:
        # The verdict comes last in the file. The plugin is not asked: that would fill its memory.
        while not json.loads(_read(f"{url}data/plugin/text/text?run=run&tag=bn_verdict")):
            time.sleep(0.2)
        return {route: [_seconds(url, route) for _ in range(asked)] for route in QUESTIONS}


def _seconds(url: str, route: str) -> float:
    start = time.perf_counter()
    _read(f"{url}data/plugin/tfbn/{route}?{urlencode(QUESTIONS[route])}")
    return time.perf_counter() - start


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        return response.read()
