"""Describes objects that are not Keras 3 models, and what to do with them."""

import os
from pathlib import Path
from typing import Any

# By the module that a class comes from; the first that fits any of the object's classes.
_KINDS = {
    "tf_keras": "a Keras 2 model (tf_keras); build the same model in Keras 3 and copy the weights, "
    "`new.set_weights(old.get_weights())`",
    "torch.nn": "a PyTorch module; build the same model in Keras and copy the weights "
    "(`tfbn.models.pretrained` reads torchvision's files for ResNet, or `keras.layers.TorchModuleWrapper` "
    "wraps a module as one layer, whose inner BatchNorm stays PyTorch's)",
    "tensorflow": "a TensorFlow object that is not a Keras layer, such as `tf.saved_model.load` returns; "
    "load the `.keras` file it was exported from with `keras.models.load_model`",
}


class Described:
    """Stands for a value in an error message: what it is, and what to do, in place of its `repr`.

    Example:

    >>> Described("model.keras")
    'model.keras', a path; load the model first: `keras.models.load_model(path)`
    """

    def __init__(self, value: Any):
        self._text = _describe(value)

    def __repr__(self) -> str:
        return self._text


def _describe(value: Any) -> str:
    if isinstance(value, str | os.PathLike):
        return _describe_path(Path(value))
    modules = [each.__module__ for each in type(value).__mro__]
    for start, text in _KINDS.items():
        if any(f"{module}.".startswith(f"{start}.") for module in modules):
            return f"{type(value).__name__}, {text}"
    if isinstance(value, type):
        return f"the class {value.__name__}; call it to make a model"
    return repr(value)


def _describe_path(path: Path) -> str:
    if (path / "saved_model.pb").exists():
        return (
            f"{str(path)!r}, a SavedModel folder, in which no layers are left to work on; load the `.keras` "
            "file it was exported from, or build the model and load its weights"
        )
    return f"{str(path)!r}, a path; load the model first: `keras.models.load_model(path)`"
