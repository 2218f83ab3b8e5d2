"""Experiments: each folder with a `__main__.py` is a binary that answers one question.

Importing this package sets the environment that TensorFlow reads, and loads nothing heavy.
"""

from tfbn.utils.quiet import set_environment

set_environment()
