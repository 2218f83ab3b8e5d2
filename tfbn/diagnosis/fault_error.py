"""The error that `tfbn.Doctor` raises with `on_finding="raise"`."""


class FaultError(RuntimeError):
    """Raised by `tfbn.Doctor(on_finding="raise")` when it finds a fault."""
