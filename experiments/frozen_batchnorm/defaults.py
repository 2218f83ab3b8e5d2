"""Defaults of the main job that depend on the network."""

import dataclasses
from typing import Any

from tfbn.utils.validation import fail

from ..training.arms import ALL_TRAINED, ARMS

AUTO = "auto"
# For a network with ImageNet weights: digits of MNIST, unchanged and with less contrast. Training all of it
# takes too long. MNIST-5k is large enough for disjoint draws.
IMAGENET: dict[str, Any] = {
    "dataset": "mnist5k",
    "shifts": ("none", "contrast=0.3"),
    "arms": tuple(name for name in ARMS if name != ALL_TRAINED.name),
    "epochs": 10,
    "train_images": 224,
    "test_images": 500,
    "draws": "disjoint",
    "share_features": "always",
}
# For the small networks that come with the package, and for files.
SMALL: dict[str, Any] = {
    "dataset": "uci_digits",
    "shifts": ("contrast=0.3", "noise=0.3"),
    "arms": tuple(ARMS),
    "epochs": 15,
    "draws": "random",
    "share_features": "never",
}
OF_IMAGES = ("train_images", "test_images", "draws")  # set only for the default data set


def with_defaults(config: Any) -> Any:
    """The options with defaults in place of `auto` and 0; other values stay.

    Args:
        config: The options of the main job.

    Raises:
        InputError: A list has `auto` and names.

    Example:

    >>> from experiments.frozen_batchnorm.__main__ import Config
    >>> [with_defaults(Config(model=model)).dataset for model in ("EfficientNetLite0", "resnet8")]
    ['mnist5k', 'uci_digits']
    >>> with_defaults(Config(model="resnet8", epochs=3)).epochs
    3
    """
    from ..training import networks

    defaults = IMAGENET if networks.is_application(config.model) else SMALL
    own_data = config.data_dir or config.dataset not in (AUTO, defaults["dataset"])
    values = {}
    for name in ("arms", "shifts"):
        given = getattr(config, name)
        if AUTO in given and len(given) > 1:
            raise fail(name, "to be auto alone, or names", given)
    for name, value in defaults.items():
        given = getattr(config, name)
        is_open = given in (AUTO, (AUTO,)) or (type(given) is int and given == 0)
        if is_open and not (own_data and name in OF_IMAGES):
            values[name] = value
    if config.draws == AUTO:
        values.setdefault("draws", "random")
    return dataclasses.replace(config, **values)
