"""The networks and the images of the study."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfbn.datasets import Images, load, load_folder, shifts, stamps
from tfbn.models import build, pretrained
from tfbn.models.weights import packaged

from . import draws
from .conditions import Condition

POOL = 20_000  # of a large target, no more images are read
STORED = {"fashion_mnist": 28, "mnist5k": 28}  # kept as stored and made larger when drawn
DIGITS_BORDER = 4  # of UCI's digits, about what those of MNIST have


def network(condition: Condition, seed: int) -> Any:
    """The pretrained network from images to pooled features; ResNet-8 has weights of each seed's own.

    Raises:
        InputError: The weights cannot be had.
    """
    form: dict[str, Any] = {"include_top": False, "pooling": "avg"}
    if condition.network == "resnet8":
        names = sorted(name for name in packaged("resnet8") if "-" in name)
        weights = names[seed % len(names)]
        return build("resnet8", weights=weights, input_shape=(condition.size, condition.size, 1), **form)
    return pretrained(condition.network, input_shape=(condition.size, condition.size, 3), **form)


@functools.lru_cache(maxsize=2)
def pool(target: str, size: int, photographs: str) -> Images:
    """All images of a target as stored, or as large as asked for.

    Args:
        target: See `Condition`.
        size: Height and width, where the target is not of one size.
        photographs: The folder of stamps, see `tfbn.datasets.stamps`, or one of class folders.

    Raises:
        InputError: They are not on this machine.
    """
    if target == "photographs":
        return load_folder(folder_of_photographs(photographs), image_size=size)
    if target == "uci_digits":
        return load(target, image_size=size, border=DIGITS_BORDER)
    return load(target, image_size=STORED[target], limit=POOL)


def folder_of_photographs(photographs: str) -> Path:
    """The folder itself if it has class folders with images; else the stamps in it, unpacked."""
    import tempfile

    path = Path(photographs)
    if path.is_dir() and any(path.glob("*/*.[pj][np]g")):
        return path
    return stamps.unpack(Path(tempfile.gettempdir()) / "tfbn_photographs", photographs)


def images_of(condition: Condition, images: Images, indices: np.ndarray, seed: int) -> np.ndarray:
    """Images as the network takes them: resized, shifted, in its range of values."""
    chosen = images.images[indices]
    if chosen.shape[1] != condition.size:
        chosen = tf.image.resize(chosen, (condition.size, condition.size), antialias=True).numpy()
    moved = shifts.parse(condition.shift).apply(chosen, seed)
    if condition.network == "resnet8":
        return moved
    return np.broadcast_to(moved, (*moved.shape[:3], 3)) * np.float32(255)


def of_seed(
    condition: Condition, images: Images, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The images of a seed as the network takes them, and their labels, both by `"train"` and so on."""
    x, y = {}, {}
    drawn = draws.draw(condition, len(images.images), seed)
    for i, (name, indices) in enumerate(dataclasses.asdict(drawn).items()):
        x[name] = images_of(condition, images, indices, seed + 1_000_003 * i)  # noise of its own
        y[name] = images.labels[indices]
    return x, y
