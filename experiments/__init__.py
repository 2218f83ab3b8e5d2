"""Experiments: each folder with a `__main__.py` is a binary that answers one question."""

from . import quiet_tensorflow  # noqa: F401  before anything else imports it
