"""Validation of arguments, files, batches of data, distribution strategies. Internal."""
