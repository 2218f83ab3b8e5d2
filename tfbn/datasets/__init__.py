"""Data sets through TFDS, two of them embedded, folders of images, and shifts of a target domain.

TFDS itself loads when a data set is asked for.
"""

from tfbn.datasets import shifts, stamps
from tfbn.datasets.folder import load_folder
from tfbn.datasets.images import Images
from tfbn.datasets.loading import EMBEDDED, builder, load

__all__ = ["EMBEDDED", "Images", "builder", "load", "load_folder", "shifts", "stamps"]
