"""Any model's BatchNormalization layers become tfbn's, in place, and stock ones again."""

import warnings
from collections.abc import Iterable
from typing import Any

import keras

from tfbn.graph import call_sites
from tfbn.graph.traversal import NamedLayer, batch_normalizations, built_batch_normalizations
from tfbn.layers import BatchNormalization
from tfbn.transforms.freeze_warnings import warn_of_loss
from tfbn.transforms.retracing import Effect
from tfbn.utils.validation import check_flag, fail
from tfbn.utils.words import counted

Stock = keras.layers.BatchNormalization
# Attributes that the stock layer does not have, and the one that stores a converted layer's class.
_FLAGS = ("_training_flag", "_update_statistics_flag", "_batch_statistics_in_inference_flag")
_OWN = (*_FLAGS, "fused", "_class_before", "_traced_as")


def convert(
    model: Any,
    training: bool | None = None,
    update_statistics: bool | None = None,
    *,
    fused: bool | None = False,
    subclasses: bool | type | tuple[type, ...] = False,
) -> Any:
    """Turns every stock BatchNormalization of a model into `tfbn.layers.BatchNormalization`.

    The layers stay the same objects with the same variables, names and place in the
    graph; only their class changes. So weights, optimizer state and inference outputs
    stay the same to the bit, and a compiled model stays compiled: its next `fit` does
    what the flags say.

    A given flag replaces a `training=` at the call sites of a
    functional model, as in `base(x, training=False)`: that is overridden by `fit` up to
    Keras 3.15 and leaks to later layers in 3.16, so it is removed. (Other layers in `base`, such as
    Dropout, then follow `fit` in every version.) A flag that a subclassed model passes in its own
    `call` stays; `tfbn.audit` shows its effect. A layer or model that creates its
    BatchNormalization in its constructor creates stock layers when it is loaded or cloned; a
    warning says so if flags are given, see `tfbn.modes_of`.

    Args:
        model: Any built Keras model or layer: functional, sequential, nested, with
            shared layers, subclassed.
        training: As in the layer; None leaves existing tfbn layers unchanged.
        update_statistics: Likewise.
        fused: As in the layer, for the layers that are converted. The default False
            keeps Keras's own arithmetic, equal to the bit; None is faster on
            TensorFlow and differs by rounding.
        subclasses: Whether to also convert layers of classes derived from the stock one, which drops
            their additions: True for all of them, or the classes. Otherwise they are left unchanged,
            and a warning names them.

    Returns:
        `model`.

    Raises:
        ValueError: A flag is not True, False or None; `subclasses` is invalid; the model has no
            BatchNormalization layer or is not built. Nothing was changed.

    Example:

    >>> base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3))
    >>> _ = tfbn.convert(base, training=False)
    >>> print(base.get_layer("bn_Conv1").mode)
    moving statistics, held, gamma and beta train
    """
    check_flag("training", training), check_flag("update_statistics", update_statistics)
    check_flag("fused", fused)
    classes = _checked_classes(subclasses)
    found = built_batch_normalizations(model)
    wanted = [named for named in found if not is_foreign(named.layer) or isinstance(named.layer, classes)]
    effect = Effect(model)
    convert_layers(model, wanted, training, update_statistics, fused)
    effect.take()
    warn_of_foreign([named for named in found if named not in wanted])
    if training is not None or update_statistics is not None:
        warn_of_loss(model, [named.layer for named in wanted])
    return model


def revert(model: Any) -> Any:
    """Undoes `convert`: every tfbn layer becomes what it was, with the same variables.

    The flags are lost. A model without tfbn layers saves, exports and loads where tfbn
    is not installed.

    Args:
        model: Any Keras model or layer; tfbn layers that were never converted, such as those of
            `tfbn.models`, become stock ones too.

    Returns:
        `model`.

    Example:

    >>> model = tfbn.models.build("resnet8", width=4, training=False)
    >>> type(tfbn.revert(model).get_layer("stem_bn")) is keras.layers.BatchNormalization
    True
    """
    layers = [s.layer for s in batch_normalizations(model) if type(s.layer) is BatchNormalization]
    effect = Effect(model)
    revert_layers(model, layers)
    effect.take()
    return model


def revert_layers(model: Any, layers: list[Any]) -> None:
    """Reverts these tfbn layers of a model, without their flags."""
    call_sites.restore(model, layers)
    for layer in layers:
        before = layer.__dict__.get("_class_before", Stock)
        for name in _OWN:
            layer.__dict__.pop(name, None)
        layer.__class__ = before


def convert_layers(
    model: Any,
    named_layers: Iterable[NamedLayer],
    training: bool | None,
    update_statistics: bool | None,
    fused: bool | None = False,
) -> None:
    """Converts these layers of a model and sets the flags that are not None."""
    named_layers = list(named_layers)
    if training is not None or update_statistics is not None:
        call_sites.clear(model, [named.layer for named in named_layers])
    for named in named_layers:
        layer = named.layer
        if not isinstance(layer, BatchNormalization):
            before = type(layer)
            layer.__class__ = BatchNormalization
            layer.__dict__["_class_before"] = before
            layer.__dict__["fused"] = fused
        if training is not None:
            layer.training = training
        if update_statistics is not None:
            layer.update_statistics = update_statistics


def is_foreign(layer: Any) -> bool:
    """Whether a BatchNormalization layer is of a class derived from the stock one outside tfbn."""
    return type(layer) is not Stock and not isinstance(layer, BatchNormalization)


def warn_of_foreign(left_alone: list[NamedLayer], stacklevel: int = 3) -> None:
    """Names the layers that were not converted."""
    if left_alone:
        warnings.warn(
            f"Left alone: {counted(len(left_alone), 'layer')} of classes derived from BatchNormalization "
            "(`tfbn.convert` with subclasses=True converts such layers): "
            f"{', '.join(named.path for named in left_alone[:5])}",
            stacklevel=stacklevel,
        )


def _checked_classes(subclasses: Any) -> tuple[type, ...]:
    if isinstance(subclasses, bool):
        return (Stock,) if subclasses else ()
    classes = subclasses if isinstance(subclasses, tuple) else (subclasses,)
    if not all(isinstance(each, type) and issubclass(each, Stock) for each in classes):
        raise fail("subclasses", "to be True, False or classes derived from BatchNormalization", subclasses)
    return classes
