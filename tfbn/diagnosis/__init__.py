"""Faults of BatchNormalization that raise no error, named with their cause and a remedy."""

from tfbn.diagnosis.callback import Doctor, FaultError
from tfbn.diagnosis.doctor import Diagnosis, doctor
from tfbn.diagnosis.finding import Finding

__all__ = ["Diagnosis", "Doctor", "FaultError", "Finding", "doctor"]
