"""tfbn: BatchNormalization with `training` separate from `trainable`, for transfer learning.

`import tfbn` is cheap: Keras and everything that needs it loads with the first name that is
used. The layers register with Keras as soon as Keras is imported, so that a saved model loads.
"""

import importlib
from typing import Any

import wrapt

# Public name -> the module that defines it.
_NAMES = {
    "AveragedStatistics": "tfbn.callbacks",
    "BatchNormalization": "tfbn.layers",
    "Doctor": "tfbn.callbacks",
    "DriftRecorder": "tfbn.callbacks",
    "audit": "tfbn.auditing.audit",
    "batch_statistics": "tfbn.statistics.replaced_statistics",
    "cache_features": "tfbn.transforms.features",
    "choose": "tfbn.choosing.choose",
    "convert": "tfbn.transforms.conversion",
    "doctor": "tfbn.diagnosis",
    "fold": "tfbn.transforms.folding",
    "freeze": "tfbn.transforms.freezing",
    "modes_of": "tfbn.transforms.saved_modes",
    "population_statistics": "tfbn.statistics.recalibration",
    "recalibrate": "tfbn.statistics.recalibration",
    "revert": "tfbn.transforms.conversion",
    "set_modes": "tfbn.transforms.saved_modes",
    "unfreeze": "tfbn.transforms.freezing",
}
# Public modules, by the names under which users know them.
_MODULES = {
    "callbacks": "tfbn.callbacks",
    "datasets": "tfbn.datasets",
    "drift": "tfbn.statistics.drift",
    "layers": "tfbn.layers",
    "models": "tfbn.models",
    "statistics": "tfbn.statistics",
    "summary": "tfbn.summary",
    "traversal": "tfbn.graph.traversal",
}

__all__ = [*sorted({*_NAMES, *_MODULES})]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'tfbn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


@wrapt.when_imported("keras")
def _register_layers(_: Any) -> None:
    importlib.import_module("tfbn.layers")
    importlib.import_module("tfbn.transforms.retracing")  # learns of the models that are compiled
