"""Small TFDS data sets that are not embedded: each stands for a kind that users bring."""

import fcntl
import uuid
from pathlib import Path
from unittest import mock

import numpy as np
import tensorflow_datasets as tfds

from tests.waiting import until
from tfbn.datasets import builder

COLORS = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)


class _Small(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(self.features()))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(), "validation": self._generate_examples()}

    def _generate_examples(self):
        yield from enumerate(self.examples())


class TestsColors(_Small):
    """Color images that are not square."""

    def features(self):
        names = ["warm", "cold"]
        return {"image": tfds.features.Image(shape=(5, 7, 3)), "label": tfds.features.ClassLabel(names=names)}

    def examples(self):
        return [{"image": image, "label": i % 2} for i, image in enumerate(COLORS)]


class TestsSizes(TestsColors):
    """Images of different sizes."""

    def features(self):
        return super().features() | {"image": tfds.features.Image(shape=(None, None, 3))}

    def examples(self):
        return [{"image": image[: 2 + i], "label": 0} for i, image in enumerate(COLORS[:3])]


class TestsTexts(_Small):
    """No images."""

    def features(self):
        return {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(num_classes=2)}

    def examples(self):
        return [{"text": "a", "label": 0}]


class TestsNumbers(TestsColors):
    """Images, but the labels are no classes."""

    def features(self):
        return super().features() | {"label": tfds.features.Scalar(np.float32)}


class TestsFarAway(TestsColors):
    """On a machine that does not answer."""

    def _split_generators(self, dl_manager):
        raise ConnectionError("no route to host\nand a long story")


class TestsSlow(TestsColors):
    """Is ready once two callers have asked for the lock; leaves a mark next to its folder when prepared."""

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def examples(self):
        folder = Path(self.data_dir_root).parent
        (folder / f"prepares-{uuid.uuid4()}").touch()
        until(lambda: len(list(folder.glob("asks-*"))) >= 2)
        return super().examples()


def marks_who_asks(folder):
    """From now on each who asks for a lock in this process leaves a mark in a folder first."""
    lock = fcntl.flock

    def marked(*arguments):
        (folder / f"asks-{uuid.uuid4()}").touch()
        lock(*arguments)

    return mock.patch.object(fcntl, "flock", marked)


def prepared(folder):
    """How many examples a builder then knows of."""
    return builder("tests_slow", folder / "data", download=True).info.splits["train"].num_examples


def prepared_in_a_process(folder):
    with marks_who_asks(folder):
        return prepared(folder)
