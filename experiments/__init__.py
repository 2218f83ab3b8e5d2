"""Experiments: each file is a binary that answers one question."""

from experiments import quiet_tensorflow  # noqa: F401  before anything else imports it
