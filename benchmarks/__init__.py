"""Speed: ratios against stock Keras, interleaved in one process."""

from tfbn.utils.quiet import load_tensorflow

load_tensorflow()  # first, to silence TensorFlow's log
