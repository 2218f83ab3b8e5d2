"""Callbacks for `fit`."""

from tfbn.callbacks.drift_recorder import DriftRecorder
from tfbn.callbacks.gradual_unfreezing import GradualUnfreezing
from tfbn.callbacks.log_files import read_drift

__all__ = ["DriftRecorder", "GradualUnfreezing", "read_drift"]
