"""The stages of a network from `tfbn.models`, and flags for some of them."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from tfbn.graph.traversal import named_layers
from tfbn.utils.validation import fail, near_names

# The builders name every layer after its stage: "stem_conv", "stage2_block1_bn1", "head_dense".
_STAGE = re.compile(r"(stem|stage\d+|head)_")


def stages(model: keras.Model) -> dict[str, list[Any]]:
    """The layers of a network by stage, from the input to the output.

    Args:
        model: A network made by `tfbn.models`, or a model that contains one.

    Returns:
        A dict from the stage's name (`"stem"`, `"stage1"`, ..., `"head"`) to its layers,
        both in data-flow order. `"head"` is missing if the network has none.

    Raises:
        ValueError: No layer is named after a stage.

    Example:

    >>> model = tfbn.models.resnet_cifar(8, width=4)
    >>> list(stages(model))
    ['stem', 'stage1', 'stage2', 'stage3', 'head']
    >>> [layer.name for layer in stages(model)["stem"]]
    ['stem_conv', 'stem_bn', 'stem_relu']
    """
    found: dict[str, list[Any]] = {}
    for named in named_layers(model):
        match = _STAGE.match(named.layer.name)
        if match:
            found.setdefault(match[1], []).append(named.layer)
    if not found:
        raise fail("model", "to have layers named after stages, as the builders name them", model.name)
    return found


def check_stages(frozen: str | Iterable[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """The stages that `frozen` names, all of them if it is None; raises with near names."""
    if frozen is None:
        return tuple(known)
    chosen = (frozen,) if isinstance(frozen, str) else tuple(frozen)
    for stage in chosen:
        if stage not in known:
            raise fail("frozen", f"to name stages of {list(known)} ({near_names(stage, known)})", frozen)
    return chosen


def set_flags(
    layers: Iterable[Any],
    training: bool | None = None,
    update_statistics: bool | None = None,
    trainable: bool | None = None,
) -> None:
    """Sets those flags that are not None.

    Args:
        layers: `trainable` goes to each of them, the other two to those that are
            BatchNormalization layers.
        training: See `tfbn.layers.BatchNormalization`.
        update_statistics: Likewise.
        trainable: Whether the layers' weights train.

    Example:

    >>> layer = tfbn.layers.BatchNormalization()
    >>> set_flags([layer], training=True, trainable=False)
    >>> print(layer.mode)
    batch statistics, updating, gamma and beta frozen
    """
    for layer in layers:
        if trainable is not None:
            layer.trainable = trainable
        if isinstance(layer, keras.layers.BatchNormalization):
            if training is not None:
                layer.training = training
            if update_statistics is not None:
                layer.update_statistics = update_statistics
