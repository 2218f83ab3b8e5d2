"""Fashion-MNIST from Debian's package `dataset-fashion-mnist`, for offline use."""

import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from tfbn.utils.validation import InputError

FOLDER = Path("/usr/share/datasets/fashion-mnist")
PACKAGE = "dataset-fashion-mnist"
FILES = {"train": "train", "test": "t10k"}  # split -> how the names of its two files begin
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
)  # fmt: skip

CITATION = """
@article{xiao2017fashion,
  title={Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms},
  author={Xiao, Han and Rasul, Kashif and Vollgraf, Roland},
  journal={arXiv:1708.07747}, year={2017}
}
"""


def is_installed() -> bool:
    """Whether all four files of the package are on this machine."""
    return all(path.is_file() for split in FILES for path in _paths(split))


def read_idx(path: Path) -> np.ndarray:
    """The array of a gzipped idx file of bytes: a magic number, the sizes, the values.

    Args:
        path: As `train-images-idx3-ubyte.gz`.

    Returns:
        uint8, with the shape that the file states.

    Raises:
        InputError: Not such a file, or a damaged one.

    Example:

    >>> path = folder / "labels-idx1-ubyte.gz"
    >>> _ = path.write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 3) + bytes([7, 0, 9])))
    >>> read_idx(path).tolist()
    [7, 0, 9]
    """
    try:
        data = gzip.decompress(path.read_bytes())
        zeros, kind, axes = struct.unpack_from(">HBB", data)
        shape = struct.unpack_from(f">{axes}I", data, 4)
        if (zeros, kind) != (0, 8):
            raise ValueError("not of bytes")
        return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error, struct.error) as error:
        raise InputError(
            f"Expected an idx file of bytes that can be read. Received: {path} ({error})"
        ) from error


def _paths(split: str) -> tuple[Path, Path]:
    start = FILES[split]
    return FOLDER / f"{start}-images-idx3-ubyte.gz", FOLDER / f"{start}-labels-idx1-ubyte.gz"


class DebianFashionMnist(tfds.core.GeneratorBasedBuilder):
    """70,000 pictures of clothes, 28 x 28 gray levels, 7,000 of each of ten classes.

    The splits `train` (60,000) and `test` (10,000), each in the order of the source.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The files of Debian's package."}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"Fashion-MNIST as Debian's package {PACKAGE} installs it.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(names=list(CLASSES)),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://github.com/zalandoresearch/fashion-mnist",
            citation=CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        return {split: self._generate_examples(split) for split in FILES}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
        images, labels = (read_idx(path) for path in _paths(split))
        if labels.shape != images.shape[:1] or images.shape[1:] != (28, 28):
            raise InputError(
                f"Expected one label for each image of 28 x 28. Received: {images.shape}, {labels.shape}"
            )
        for key, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield key, {"image": image[..., np.newaxis], "label": int(label)}
