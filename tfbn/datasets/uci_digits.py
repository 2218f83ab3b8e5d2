"""UCI digits: 1,797 small digits that come inside the package scikit-learn."""

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from tfbn.datasets.mixing import mixed
from tfbn.utils.extras import check_installed

CITATION = """
@misc{alpaydin1998optical,
  title={Optical Recognition of Handwritten Digits},
  author={Alpaydin, E. and Kaynak, C.},
  howpublished={UCI Machine Learning Repository}, year={1998}, doi={10.24432/C50P49}
}
"""
LEVELS = 16  # gray levels run from 0 to 16 at the source


class UciDigits(tfds.core.GeneratorBasedBuilder):
    """1,797 handwritten digits, 8 x 8 gray levels, 174 to 183 of each class.

    The source's levels 0..16 are stored as `round(level * 255 / 16)`, which loses
    nothing. One split, `train`, mixed once with a fixed seed.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The digits as scikit-learn ships them."}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="The test part of UCI's optical recognition of handwritten digits, 8 x 8, "
            "as the package scikit-learn ships it.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
            citation=CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict]]:
        check_installed("sklearn")
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.round(digits.images * (255 / LEVELS)).astype(np.uint8)
        yield from mixed(images[..., np.newaxis], digits.target)
