"""Speed: ratios against stock Keras, interleaved in one process."""
