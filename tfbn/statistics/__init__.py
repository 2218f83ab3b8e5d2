"""Moments of channels, snapshots of moving statistics, drift, mismatch, recalibration."""

from tfbn.statistics.moments import Moments, moments, moving_average, moving_average_after, pool
from tfbn.statistics.snapshots import Statistics, take, take_one

__all__ = [
    "Moments",
    "Statistics",
    "moments",
    "moving_average",
    "moving_average_after",
    "pool",
    "take",
    "take_one",
]
