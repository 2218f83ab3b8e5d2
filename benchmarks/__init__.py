"""Speed: ratios against stock Keras, interleaved in one process."""

from tfbn.utils.quiet import load_tensorflow

load_tensorflow()  # first, so that it is quiet
