"""The warnings after flags were set: what saving will lose, and that nothing trains."""

import warnings
from collections.abc import Collection, Iterable
from typing import Any

import keras

from tfbn.graph.compiled_models import compiled_models
from tfbn.graph.saving import made_in_constructors
from tfbn.graph.traversal import named_layers
from tfbn.utils.words import counted

_IN_BOTH = (
    "frozen there too, since `trainable` belongs to a layer and not to a model. Call `tfbn.unfreeze` before "
    "it trains by itself, and `tfbn.freeze` again before the model around it does"
)


def warn_after_freezing(model: Any, changed: Collection[str], named: bool, stacklevel: int = 3) -> None:
    """The warnings that `tfbn.freeze` gives.

    Args:
        model: The model that was frozen.
        changed: The paths of the layers on which something changed.
        named: Whether layers were named, by a pattern or `up_to`.
        stacklevel: As in `warnings.warn`, counted from the caller.
    """
    layers = [each.layer for each in named_layers(model) if each.path in changed]
    warn_of_loss(model, layers, stacklevel + 1)
    warn_of_compiled_parts(model, [layer for layer in layers if not layer.trainable], stacklevel + 1)
    if not named:
        warn_if_nothing_trains(model, stacklevel + 1)


def warn_of_loss(model: Any, layers: Iterable[Any], stacklevel: int = 3) -> None:
    """Warns about layers whose flags saving loses, and says how to keep them."""
    text = loss(model, layers)
    if text:
        warnings.warn(f"{text[:1].upper()}{text[1:]}.", stacklevel=stacklevel)


def loss(model: Any, layers: Iterable[Any]) -> str:
    """Describes which flags on these layers saving, loading or cloning the model loses; or "".

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    >>> loss(model, model.layers)
    ''
    """
    found = made_in_constructors(model, layers)
    if not found:
        return ""
    makers = {id(maker): f"{type(maker).__name__} {maker.name!r}" for _, maker in found}
    shown = list(makers.values())
    by = ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
    flags = "`trainable`, `training`, `update_statistics`"
    return (
        f"saving and loading, or cloning, this model loses what is set ({flags}) on "
        f"{counted(len(found), 'layer')} "
        f"that are made in constructors, by {by}: keep `tfbn.modes_of(model)` and put it back with "
        "`tfbn.set_modes`"
    )


def warn_of_compiled_parts(model: Any, frozen: list[Any], stacklevel: int = 3) -> None:
    """Names the models inside this one that are compiled themselves and contain frozen layers."""
    parts = _compiled_parts(model, frozen)
    if parts:
        warnings.warn(f"{_named(parts)}: compiled on its own, and {_IN_BOTH}.", stacklevel=stacklevel)


def frozen_in_both(model: Any) -> str:
    """What to know of frozen layers that a compiled model inside or around this one has too; or nothing.

    Example:

    >>> judge = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()], name="judge")
    >>> gan = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), judge], name="gan")
    >>> judge.compile(), gan.compile()
    (None, None)
    >>> frozen_in_both(gan)
    ''
    >>> judge.trainable = False
    >>> [frozen_in_both(each).partition(",")[0] for each in (gan, judge)]
    ['judge: compiled on its own', 'judge: part of the compiled gan']
    """
    frozen = [each.layer for each in named_layers(model) if each.layer.weights and not each.layer.trainable]
    parts = _compiled_parts(model, frozen)
    if parts:
        return f"{_named(parts)}: compiled on its own, and {_IN_BOTH}"
    if not frozen or getattr(model, "optimizer", None) is None:
        return ""
    around = [
        each.name
        for each in compiled_models()
        if getattr(each, "optimizer", None) is not None
        and any(named.layer is model for named in named_layers(each))
    ]
    return f"{model.name}: part of the compiled {_named(sorted(around))}, and {_IN_BOTH}" if around else ""


def _compiled_parts(model: Any, frozen: list[Any]) -> list[str]:
    ids = {id(layer) for layer in frozen}
    return [
        named.path
        for named in named_layers(model)
        if getattr(named.layer, "optimizer", None) is not None
        and not ids.isdisjoint(id(inner.layer) for inner in named_layers(named.layer))
    ]


def _named(names: list[str]) -> str:
    return ", ".join(names[:5])


def warn_if_nothing_trains(model: Any, stacklevel: int = 3) -> None:
    """Warns if a model with a head was frozen as a whole; for a base without a head this is intended."""
    if model.trainable_variables:
        return
    weighted = [each for each in named_layers(model) if each.layer.weights and not _holds_layers(each.layer)]
    head = bool(weighted) and isinstance(weighted[-1].layer, keras.layers.Dense)
    if not head and not getattr(model, "compiled", False):
        return
    hint = f"up_to={weighted[-2].path!r} leaves {weighted[-1].path!r} to train" if len(weighted) > 1 else ""
    warnings.warn(
        f"Every layer of {model.name!r} is frozen, including its head, so nothing is left to train. "
        f"Name what to freeze{f': {hint}' if hint else ''}.",
        stacklevel=stacklevel,
    )


def _holds_layers(layer: Any) -> bool:
    return bool(named_layers(layer))
