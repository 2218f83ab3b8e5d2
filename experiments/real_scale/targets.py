"""The networks and the images of the study."""

import dataclasses
import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfbn.datasets import Images, list_folder, load, load_folder, shifts, stamps
from tfbn.models import build, pretrained
from tfbn.models.weights import packaged

from . import draws
from .conditions import Condition

POOL = 20_000  # maximum number of images read from a large target
STORED = {"fashion_mnist": 28, "mnist5k": 28}  # kept as stored and enlarged when drawn
DIGITS_BORDER = 4  # for UCI's digits, about as in MNIST


def network(condition: Condition, seed: int) -> Any:
    """The pretrained network from images to pooled features; ResNet-8 has different weights for each seed.

    Raises:
        InputError: The weights are not available.
    """
    form: dict[str, Any] = {"include_top": False, "pooling": "avg"}
    if condition.network == "resnet8":
        names = sorted(name for name in packaged("resnet8") if "-" in name)
        weights = names[seed % len(names)]
        return build("resnet8", weights=weights, input_shape=(condition.size, condition.size, 1), **form)
    return pretrained(condition.network, input_shape=(condition.size, condition.size, 3), **form)


@functools.lru_cache(maxsize=2)
def pool(target: str, size: int, photographs: str) -> Images:
    """All images of a target, as stored or in the given size.

    Args:
        target: See `Condition`.
        size: Height and width, where the target is not of one size.
        photographs: The folder of stamps, see `tfbn.datasets.stamps`, or one of class folders.

    Raises:
        InputError: The images are not on this machine.
    """
    if target == "photographs":
        return photographs_in(photographs, size)
    if target == "uci_digits":
        return load(target, image_size=size, border=DIGITS_BORDER)
    return load(target, image_size=STORED[target], limit=POOL)


def photographs_in(photographs: str, size: int) -> Images:
    """The images of a folder: the stamps, if it is that of their package, otherwise its class folders."""
    if not stamps.is_package(photographs):
        return load_folder(photographs, image_size=size)
    with tempfile.TemporaryDirectory() as folder:
        return load_folder(stamps.unpack(folder, photographs), image_size=size)


def check_photographs(photographs: str) -> None:
    """Raises `InputError` if there are no photographs; without class folders, the stamps are missing."""
    path = Path(photographs)
    if stamps.is_package(path) or not (path.is_dir() and any(each.is_dir() for each in path.iterdir())):
        stamps.photographs(path, name="photographs")
    else:
        list_folder(path)


def images_of(condition: Condition, images: Images, indices: np.ndarray, seed: int) -> np.ndarray:
    """Prepares images for the network: resized, shifted, in its range of values."""
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
        # Separate noise for each part.
        x[name] = images_of(condition, images, indices, seed + 1_000_003 * i)
        y[name] = images.labels[indices]
    return x, y
