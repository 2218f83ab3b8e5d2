"""Data sets through TFDS, two of them embedded, folders of images, and shifts of a target domain.

TFDS itself loads when a data set is asked for.
"""

from tfbn.datasets import shifts, stamps
from tfbn.datasets.folder import Stream, load_folder
from tfbn.datasets.images import Form, Images
from tfbn.datasets.listing import Listing, list_folder
from tfbn.datasets.loading import EMBEDDED, builder, load

__all__ = ["EMBEDDED", "Form", "Images", "Listing", "Stream", "builder", "list_folder", "load"]
__all__ += ["load_folder", "shifts", "stamps"]
