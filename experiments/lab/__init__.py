"""Runs a study: flags, cells, workers, storage, statistics, report. Knows nothing of BatchNormalization."""
