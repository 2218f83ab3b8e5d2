"""Faults of BatchNormalization that raise no error, named with their cause and a remedy."""

from tfbn.diagnosis.doctor import Diagnosis, doctor
from tfbn.diagnosis.fault_error import FaultError
from tfbn.diagnosis.finding import Finding

__all__ = ["Diagnosis", "FaultError", "Finding", "doctor"]
