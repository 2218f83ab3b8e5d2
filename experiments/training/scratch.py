"""Training whole networks from scratch: the options and images they share, accuracy in both modes."""

import dataclasses
import functools
from typing import Any

import numpy as np

from ..lab.experiment import RunConfig
from ..lab.options import option
from . import reuse
from .data import Source, Split, target_split

ROWS = 500  # images at a time where the size does not matter


@dataclasses.dataclass(frozen=True)
class ScratchConfig(RunConfig):
    """Options of experiments that train whole networks from scratch."""

    seeds: int = option(3, "How many seeds; every arm runs with each of them.", low=1)
    dataset: str = option("mnist5k", "Any TFDS name.")
    data_dir: str = option("", "A folder of class folders, instead of --dataset.")
    download: bool = option(False, "Let TFDS fetch data that are not on this machine.")
    image_size: int = option(14, "Height and width in pixels that images are brought to.", low=4)
    channels: int = option(1, "1: gray, 3: colored.", low=1, high=3)
    train_images: int = option(2000, "Images to train on.", low=1)
    test_images: int = option(1000, "Images to test on.", low=1)
    width: int = option(8, "Filters of the first stage.", low=1)
    momentum: float = option(0.9, "BatchNorm's momentum.", low=0.0, high=1.0)

    @property
    def source(self) -> Source:
        """Where the images come from."""
        shape = (self.image_size, self.image_size, self.channels)
        return Source(self.dataset, self.data_dir, shape, download=self.download)

    def split(self, seed: int) -> Split:
        """The images of a seed, the same for all arms.

        Raises:
            InputError: They cannot be had.
        """
        return target_split(self.source, self.train_images, self.test_images, "none", seed)

    @property
    def network(self) -> dict[str, Any]:
        """Arguments of `tfbn.models.build` that all arms share; the network ends in logits."""
        return {
            "input_shape": self.source.shape,
            "width": self.width,
            "momentum": self.momentum,
            "classifier_activation": None,
        }


def accuracy(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    """The share of images told right in inference mode."""
    # Called as it is: tracing a deep network takes longer than running it a few times.
    starts = range(0, len(x), ROWS)
    return _share(np.concatenate([np.asarray(model(x[i : i + ROWS], training=False)) for i in starts]), y)


def accuracy_by_batch(model: Any, x: np.ndarray, y: np.ndarray, batch_size: int) -> float:
    """The share told right where every BatchNorm normalizes by the batch, as in `fit`."""
    run = _traced_by_batch(model)
    starts = range(0, len(x), batch_size)
    return _share(np.concatenate([run(x[i : i + batch_size]) for i in starts]), y)


@functools.lru_cache(maxsize=reuse.KEPT)
def _traced_by_batch(model: Any) -> Any:
    """The model by batch statistics, traced once: batches of one mean very many calls."""
    import tensorflow as tf

    import tfbn

    signature = tf.TensorSpec((None, *model.input_shape[1:]))
    with tfbn.batch_statistics(model):
        run = tf.function(lambda x: model(x, training=False), autograph=False)
        concrete = run.get_concrete_function(signature)
    return lambda x: concrete(tf.constant(x)).numpy()


def _share(logits: np.ndarray, y: np.ndarray) -> float:
    return float((logits.argmax(-1) == y).mean())
