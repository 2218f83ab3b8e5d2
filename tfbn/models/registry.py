"""Every network by its name."""

import re
from collections.abc import Callable
from typing import Any

import keras

from tfbn.models.cifar import plain_cifar, resnet_cifar
from tfbn.models.imagenet import BLOCKS, plain_imagenet, resnet_imagenet
from tfbn.utils.validation import fail, near_names

# Lower case is the CIFAR form, upper case the ImageNet form.
_FORMS: dict[str, Callable[..., keras.Model]] = {
    "resnet": resnet_cifar,
    "plain": plain_cifar,
    "ResNet": resnet_imagenet,
    "Plain": plain_imagenet,
}
_NAME = re.compile(rf"({'|'.join(_FORMS)})(\d+)(_cifar)?")


def names() -> list[str]:
    """The networks of the papers by name.

    `build` also knows every other depth of 6n+2, such as `"resnet26"`.

    Example:

    >>> "resnet20" in names(), "ResNet50" in names()
    (True, True)
    """
    cifar = [f"{kind}{depth}" for kind in ("resnet", "plain") for depth in (8, 20, 32, 44, 56, 110, 1202)]
    imagenet = [f"{kind}{depth}" for kind in ("ResNet", "Plain") for depth in BLOCKS]
    return cifar + imagenet


def build(name: str, /, **arguments: Any) -> keras.Model:
    """Builds a network by its name.

    `"resnet20"` and `"plain20"` are in CIFAR form, with any depth of 6n+2; `"ResNet50"`
    and `"Plain34"` in ImageNet form. Both forms exist with 50 and 152 layers; for these, the
    CIFAR form is `"resnet50_cifar"`.

    Args:
        name: See `names`.
        **arguments: See `tfbn.models.Arguments`; there, `name=` is the model's own.

    Returns:
        A functional Keras model.

    Raises:
        ValueError: There is no such network, or one of the arguments is bad.

    Example:

    >>> build("resnet8", classes=4).output_shape
    (None, 4)
    """
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if not match or (match[3] and match[1] not in ("resnet", "plain")):
        raise fail("name", f"to be a network ({near_names(name, names())})", name)
    kind, depth, says_cifar = match[1], int(match[2]), bool(match[3])
    imagenet = {"resnet": "ResNet", "plain": "Plain"}.get(kind)
    if imagenet and depth in BLOCKS and not says_cifar:
        cifar = f", '{name}_cifar' (CIFAR form)" if depth % 6 == 2 else ""
        raise fail("name", f"to be '{imagenet}{depth}' (ImageNet form){cifar}", name)
    return _FORMS[kind](depth, **arguments)
