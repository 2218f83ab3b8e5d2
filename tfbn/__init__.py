"""tfbn: BatchNormalization with `training` apart from `trainable`, and what follows from it.

The parts that need more than Keras load when they are used.
"""

import importlib
from typing import Any

from tfbn import layers
from tfbn.layers import BatchNormalization

# Public name -> the module it lives in.
_LAZY = {
    "DriftRecorder": "tfbn.callbacks",
    "audit": "tfbn.auditing",
    "cache_features": "tfbn.features",
    "convert": "tfbn.conversion",
    "freeze": "tfbn.freezing",
    "revert": "tfbn.conversion",
    "unfreeze": "tfbn.freezing",
    "fold": "tfbn.folding",
    "batch_statistics": "tfbn.recalibration",
    "population_statistics": "tfbn.recalibration",
    "recalibrate": "tfbn.recalibration",
}
_MODULES = ("callbacks", "datasets", "drift", "models", "statistics", "summary", "traversal")

__all__ = ["BatchNormalization", "layers", *sorted(_LAZY), *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"tfbn.{name}")
    raise AttributeError(f"module 'tfbn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
