"""Callbacks for `fit`."""

from tfbn.callbacks.averaged_statistics import AveragedStatistics
from tfbn.callbacks.doctor import Doctor
from tfbn.callbacks.drift_recorder import DriftRecorder
from tfbn.callbacks.gradual_unfreezing import GradualUnfreezing
from tfbn.callbacks.log_files import read_drift

__all__ = ["AveragedStatistics", "Doctor", "DriftRecorder", "GradualUnfreezing", "read_drift"]
