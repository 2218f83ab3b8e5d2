"""Data sets through TFDS, two of them embedded, and shifts of a target domain.

TFDS itself loads when a data set is asked for.
"""

from tfbn.datasets import shifts
from tfbn.datasets.loading import EMBEDDED, Images, builder, load, load_folder

__all__ = ["EMBEDDED", "Images", "builder", "load", "load_folder", "shifts"]
