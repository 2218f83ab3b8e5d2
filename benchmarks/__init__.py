"""Speed: ratios against stock Keras, interleaved in one process."""

import experiments  # noqa: F401  first: it makes TensorFlow quiet
