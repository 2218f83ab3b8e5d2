"""The network of a transfer-learning run: a builder of tfbn, a network with ImageNet weights, or a file."""

import fnmatch
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

import tfbn
from tfbn.choosing.backbone import backbone
from tfbn.models import files, pixel_range
from tfbn.models.efficientnet_lite import SIZES
from tfbn.models.weights import find_weights, packaged
from tfbn.utils.validation import fail

FILES = (".keras", ".h5")
_FEATURES: dict[str, Any] = {"include_top": False, "pooling": "avg"}


def is_file(model: str) -> bool:
    """Whether `--model` names a file."""
    return model.endswith(FILES)


def is_application(model: str) -> bool:
    """Whether `--model` is one of `tfbn.models.pretrained`; tfbn's lower-case names are not."""
    return model in SIZES or (hasattr(keras.applications, model) and model[:1].isupper())


def input_shape(config: Any) -> tuple[int, int, int]:
    """Height, width and channels of the images: those of the file, or those of the options."""
    if is_file(config.model):
        height, width, channels = _file_shape(config.model)
        if not config.image_size and not height and not width:
            raise fail("image_size", "to be given, since the network takes any size", config.image_size)
        if height and width and height != width:
            raise fail("model", "to take square images", f"{config.model}, which takes {height} x {width}")
        size = config.image_size or height or width or 0
        if {height, width} - {None, size}:
            raise fail("image_size", f"to be that of the network, {height} x {width}", config.image_size)
        if channels not in (config.channels or channels, None):
            raise fail("channels", f"to be those of the network, {channels}", config.channels)
        return size, size, config.channels or channels or 3
    size = config.image_size or (96 if is_application(config.model) else 28)
    return size, size, config.channels or (3 if is_application(config.model) else 1)


def weights_of(config: Any, seed: int) -> str | None:
    """The weights of a seed: a name with a `*` cycles through the packaged networks that match.

    Raises:
        InputError: The name matches nothing, there is no such file, or the network has built-in weights.
    """
    if is_file(config.model) and config.weights != "auto":
        raise fail("weights", f"to be auto, since {config.model} has its own", config.weights)
    if config.weights == "none" or is_file(config.model):
        return None
    if is_application(config.model):
        return "imagenet" if config.weights == "auto" else config.weights
    known = packaged(config.model)
    pattern = "*-*" if config.weights == "auto" else config.weights
    fitting = fnmatch.filter(known, pattern) if "*" in pattern else [pattern]
    if not fitting:
        raise fail(
            "weights",
            f"to be a file, none, or packaged weights of {config.model} (there are: {sorted(known)})",
            config.weights,
        )
    name = fitting[seed % len(fitting)]
    find_weights(name, config.model)
    return name


def build(config: Any, weights: str | Path | None, classifier: bool = False) -> Any:
    """The network from images to pooled features, with tfbn's BatchNormalization.

    Args:
        config: The options.
        weights: A name that `weights_of` gave, or a file.
        classifier: Whether to keep the classifier that it was pretrained with; then the outputs are
            its probabilities.

    Raises:
        InputError: There is no such network, or the weights do not fit or are not available; or it has
            no classifier to keep.
    """
    shape = input_shape(config)
    if classifier and not is_application(config.model):
        raise fail("model", "to be one with ImageNet's classifier, which the arm keeps", config.model)
    if is_file(config.model):
        base = backbone(files.load(config.model))
        if weights is not None:
            base.load_weights(weights)
    elif is_application(config.model):
        form: dict[str, Any] = {"include_top": True} if classifier else _FEATURES
        base = tfbn.models.pretrained(config.model, weights=weights, input_shape=shape, **form)
    else:
        base = tfbn.models.build(config.model, weights=weights, input_shape=shape, **_FEATURES)
    return tfbn.convert(base, fused=None)


def check_cifar(name: str, networks: tuple[str, ...]) -> None:
    """Raises `InputError` unless each is a builder of tfbn in CIFAR form, such as plain20; builds nothing.

    Example:

    >>> check_cifar("networks", ("plain20", "resnet110"))
    """
    for network in networks:
        match = re.fullmatch(r"(?:plain|resnet)(\d+)", network)
        if not match or int(match[1]) < 8 or int(match[1]) % 6 != 2:
            raise fail(name, "to be plain or resnet with a depth of 6n+2, such as plain20", network)


def preprocessing(config: Any) -> Callable[[Any], Any]:
    """Converts images in [0, 1] to the range of the network.

    Raises:
        InputError: See `pixels_fed`.
    """
    if is_application(config.model):
        preprocess = tfbn.models.preprocess_input(config.model)
        return lambda images: preprocess(images * 255.0)
    return _range(config.model, config.pixels).of


def pixels_fed(config: Any) -> str:
    """The pixel range of the network's inputs, and the reason.

    Raises:
        InputError: `pixels` is auto, and the file's layers do not show its range.
    """
    if is_application(config.model):
        return f"what preprocess_input of {config.model} makes of 0..255"
    return str(_range(config.model, config.pixels))


@functools.lru_cache(maxsize=4)
def _range(model: str, pixels: str) -> Any:
    if not is_file(model) and pixels == "auto":
        return pixel_range.PixelRange("unit", "as our networks are trained")
    return pixel_range.given_or_found(pixels, files.load(model) if is_file(model) else None, model)


@functools.lru_cache(maxsize=1)
def _file_shape(path: str) -> tuple[int | None, int | None, int]:
    shape: Any = getattr(files.load(path), "input_shape", ())
    if len(shape) != 4:
        raise fail("model", "to take images, (batch, height, width, channels)", shape)
    return shape[1:]
