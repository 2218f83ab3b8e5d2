"""The two parts of the study. Imports nothing heavy."""

UNTRAINED, TRAINED = "untrained", "training"
