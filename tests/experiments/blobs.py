"""A small target for the study at real scale: learnable, and far from the images of the pretraining."""

import numpy as np

from experiments.real_scale.conditions import Condition
from tfbn.datasets import Images


def condition(steps):
    """A small network, a few images and this many steps."""
    sizes = {"train": 21, "validation": 12, "test": 15, "size": 28, "batch": 8, "most_seeds": 3}
    return Condition("toy", "", "resnet8", "uci_digits", steps=steps, **sizes)


def images():
    """Blobs in a class's own place, on noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    images = rng.uniform(0, 0.4, (90, 28, 28, 1)).astype("float32")
    for image, label in zip(images, labels, strict=True):
        image[5 * label + 4 : 5 * label + 12, 8:20] += 0.6
    return Images(images, labels.astype("int64"), ("a", "b", "c"))
