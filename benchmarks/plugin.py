"""How fast the BatchNorm tab's routes answer over a long run of a deep network.

The run is written like the recorder's, without a known length, and loaded by each of TensorBoard's
loaders; each route is requested over HTTP as the page does, the first time with an empty cache.
"""

import json
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from benchmarks.common import Row, at_most
from tfbn.layers.modes import Mode
from tfbn.statistics import drift
from tfbn.statistics.snapshots import Statistics
from tfbn.summary import Writer
from tfbn.tensorboard_plugin.serving import serving

LAYERS, CHANNELS, EPOCHS, FLUSH = 200, 64, 100, 1000
LAYER = "stage2/block100/bn"
TARGET = 1.0  # seconds
# Route -> the queries of the page.
QUESTIONS: dict[str, dict[str, Any]] = {
    "runs": {},
    "heat_map": {"run": "run", "metric": "kl", "columns": 400},
    "compare": {"a": "run", "b": "run", "metric": "kl", "columns": 400},
    "model": {"run": "run"},
    "layer": {"run": "run", "layer": LAYER},
    "curves": {"run": "run", "layer": LAYER, "metric": "kl"},
    "findings": {"run": "run"},
    "performance": {"run": "run"},
}
# A study as the main job leaves it: what the first view asks for, all answers together.
ARMS, SHIFTS, SEEDS = 7, 2, 5
STUDY_LAYERS, STUDY_STEPS = 9, 150


def run(quick: bool) -> list[Row]:
    steps, asked = (2000, 1) if quick else (100_000, 5)
    with tempfile.TemporaryDirectory() as name:
        write(Path(name) / "run", steps)
        return [
            at_most(
                f"BatchNorm tab, {LAYERS} layers x {steps:,} steps x {len(drift.METRICS)} metrics, {flag}",
                TARGET,
                f"/{route}, the slowest of {asked}, the first included",
                max(seconds),
            )
            for flag in ("--load_fast=true", "--load_fast=false")
            for route, seconds in answer_times(Path(name), flag, asked).items()
        ] + [_of_a_study(Path(name) / "study")]


def _of_a_study(folder: Path) -> Row:
    groups = [
        [f"shift{shift}/arm{arm}/seed{seed}" for seed in range(SEEDS)]
        for shift in range(SHIFTS)
        for arm in range(ARMS)
    ]
    runs = [run for group in groups for run in group]
    for run in runs:
        write(folder / run, STUDY_STEPS, STUDY_LAYERS, STUDY_STEPS)
    with serving(folder) as url:
        while not _loaded(url, runs):
            time.sleep(0.2)
        start = time.perf_counter()
        for group in groups[:ARMS]:
            for route, more in (("heat_map", {"metric": "mean_shift", "columns": 400}), ("findings", {})):
                _read(f"{url}data/plugin/tfbn/{route}?{urlencode({'run': group, **more}, doseq=True)}")
        seconds = time.perf_counter() - start
    return at_most(
        f"BatchNorm tab, {len(runs)} runs of {STUDY_LAYERS} layers x {STUDY_STEPS} steps",
        TARGET,
        f"all that the first view asks: {ARMS} groups of {SEEDS} runs",
        seconds,
    )


def write(folder: Path, steps: int, layers: int = LAYERS, flush: int = FLUSH) -> None:
    """Writes a run."""
    rng = np.random.default_rng(0)
    paths = [f"stage{i // 40}/block{i}/bn" for i in range(layers)]
    reference = {path: Statistics(rng.normal(size=CHANNELS), np.ones(CHANNELS), 1e-3) for path in paths}
    log = Writer(folder, reference)
    log.begin(dict.fromkeys(paths, Mode("batch", updates=True, trains=True)))
    rows = rng.uniform(size=(flush, layers, len(drift.METRICS))).astype(np.float32)
    channels = {path: rng.uniform(1, 2, (4, CHANNELS)).astype(np.float32) for path in paths}
    for begin in range(0, steps, flush):
        log.rows(np.arange(begin, begin + flush), rows, rng.uniform(size=(layers, 2)))
        if begin % max(1, steps // EPOCHS) == 0:
            log.channels(begin, channels)
            log.performance(begin, training={"accuracy": 0.5}, inference={"accuracy": 0.25})
        log.flush()
    log.end()


def answer_times(folder: Path, flag: str, asked: int) -> dict[str, list[float]]:
    """Seconds of each answer by route, from a TensorBoard that has loaded the run."""
    with serving(folder, flag) as url:
        # The verdict comes last in the file. Asking the plugin would fill its cache.
        while not json.loads(_read(f"{url}data/plugin/text/text?run=run&tag=bn_verdict")):
            time.sleep(0.2)
        return {route: [_seconds(url, route) for _ in range(asked)] for route in QUESTIONS}


def _loaded(url: str, runs: list[str]) -> bool:
    """Whether the last thing in each run's file has been read."""
    found = json.loads(_read(f"{url}data/plugin/text/tags"))
    return all("bn_verdict" in found.get(run, []) for run in runs)


def _seconds(url: str, route: str) -> float:
    start = time.perf_counter()
    _read(f"{url}data/plugin/tfbn/{route}?{urlencode(QUESTIONS[route])}")
    return time.perf_counter() - start


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        return response.read()
