"""Experiments: each file is a binary that answers one question."""
