"""Callbacks for `fit`."""

from tfbn.callbacks.drift_log import read_drift
from tfbn.callbacks.drift_recorder import DriftRecorder
from tfbn.callbacks.gradual_unfreezing import GradualUnfreezing

__all__ = ["DriftRecorder", "GradualUnfreezing", "read_drift"]
