"""Callbacks for `fit`."""

from tfbn.callbacks.drift_log import read_drift
from tfbn.callbacks.drift_recorder import DriftRecorder

__all__ = ["DriftRecorder", "read_drift"]
