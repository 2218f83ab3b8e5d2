"""A hundred thousand images at 224 px as the target of an experiment: the memory of a process."""

import concurrent.futures
import multiprocessing
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import Row, at_most, memory

CLASSES, DIFFERENT, SIZE = 10, 20, 224
LIMIT = 1000.0  # MB


def run(quick: bool) -> list[Row]:
    images = 1_000 if quick else 100_000
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), images)
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            before, peak = pool.submit(_peak, name, images).result()
    what = f"{images:,} JPEGs at {SIZE} px as the target, twenty batches of 32"
    rows = [at_most(what, LIMIT, "the process's peak memory", peak, "MB")]
    return [*rows, at_most(what, LIMIT, "of it, TensorFlow and Keras alone", before, "MB")]


def write(folder: Path, images: int) -> None:
    """Writes a folder of class folders; most files are links to a few different images."""
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        place = folder / f"class{label}"
        place.mkdir()
        for i in range(images // CLASSES):
            path = place / f"{i:06d}.jpg"
            if i < DIFFERENT:
                pixels = rng.integers(0, 255, (SIZE // 8, SIZE // 8, 3), np.uint8)
                Image.fromarray(pixels).resize((SIZE, SIZE)).save(path)
            else:
                os.link(place / f"{i % DIFFERENT:06d}.jpg", path)


def _peak(folder: str, images: int) -> tuple[float, float]:
    """The peak with the libraries alone, and after batches were drawn, in MB."""
    from experiments.training.data import target_split
    from experiments.training.pools import Source

    scale = 2**20 / 1e6
    before = memory(peak=True) * scale
    test_images = images // 10
    split = target_split(Source("", folder, (SIZE, SIZE, 3)), images - test_images, test_images, "none", 0)
    rows = np.random.default_rng(0).permutation(len(split.train_x))
    for batch in range(20):
        split.train_x[rows[32 * batch % len(rows) :][:32]]
    return before, memory(peak=True) * scale
