"""Imports TensorFlow without what it writes to standard error meanwhile, see `tfbn.utils.quiet`."""

from tfbn.utils.quiet import load_tensorflow

load_tensorflow()
