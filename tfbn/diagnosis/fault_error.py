"""What `tfbn.Doctor` raises where it is asked to."""


class FaultError(RuntimeError):
    """A fault was found, and the callback was asked to raise."""
