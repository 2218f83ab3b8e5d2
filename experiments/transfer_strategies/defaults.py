"""Defaults that depend on the network. Imports nothing heavy: the summary of stored results needs them."""

import dataclasses
from typing import Any

from tfbn.utils.validation import check_at_least, fail

from .arms import of_strategies

AUTO = "auto"
KERAS_MOMENTUM = 0.99  # the default of keras.layers.BatchNormalization
UNSET = (0,)  # of numbers
# The small networks that come with the package, and files.
SMALL: dict[str, Any] = {
    "arms": of_strategies("everything", "last", "head", "scratch"),
    "dataset": "uci_digits",
    "draws": "random",
    "train_images": (25, 100, 300, 1000),
    "test_images": 700,
    "tuned": "never",
}
# A network with ImageNet's weights. MNIST-5k is large enough for disjoint draws of five seeds.
IMAGENET: dict[str, Any] = {
    "arms": of_strategies("everything", "last_1", "last_2", "last_3", "head", "outputs", "scratch"),
    "dataset": "mnist5k",
    "draws": "disjoint",
    "train_images": (25, 100, 500),
    "test_images": 300,
    "tuned": "always",
}
# Of Adam, for each strategy: the best on validation images is taken.
RATES = {
    "everything": (2e-4, 1e-3),
    **dict.fromkeys(("last", "last_1", "last_2", "last_3"), (3e-4, 2e-3)),
    "head": (1e-3, 1e-2),
    "outputs": (1e-2, 1e-1),  # its inputs are a thousand probabilities
    "scratch": (1e-3, 5e-3),
}
# The most of each option in a first look.
QUICK = {"seeds": 2, "epochs": 3, "steps": 10, "test_images": 100, "validation_images": 50}


def is_imagenet(model: str) -> bool:
    """Whether a network has ImageNet's weights, by its name: those of tfbn are in lower case.

    Example:

    >>> [is_imagenet(each) for each in ("EfficientNetLite0", "resnet8", "Mine.keras")]
    [True, False, False]
    """
    return model[:1].isupper() and not model.endswith((".keras", ".h5"))


def with_defaults(config: Any) -> Any:
    """The options with defaults in place of `auto` and 0; other values stay.

    Raises:
        InputError: A list has `auto` or 0 among others.
    """
    defaults = IMAGENET if is_imagenet(config.model) else SMALL
    if AUTO in config.arms and len(config.arms) > 1:
        raise fail("arms", "to be auto alone, or names", config.arms)
    if config.train_images != UNSET:
        for number in config.train_images:
            check_at_least("train_images", number, 1)
    unset = (AUTO, (AUTO,), 0, UNSET)
    values = {name: value for name, value in defaults.items() if getattr(config, name) in unset}
    if config.data_dir and values.get("draws") == "disjoint":
        values["draws"] = "random"  # how many images there are is not known
    config = dataclasses.replace(config, **values)
    return _quick(config) if config.quick else config


def _quick(config: Any) -> Any:
    least = {name: min(most, getattr(config, name)) for name, most in QUICK.items()}
    return dataclasses.replace(config, train_images=config.train_images[:1], **least)
