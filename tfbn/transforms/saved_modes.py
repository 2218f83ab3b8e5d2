"""The modes of a model as a small value, to store with a file and to restore after loading."""

import collections
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfbn.graph.traversal import NamedLayer, built_batch_normalizations, named_layers
from tfbn.layers import BatchNormalization, modes
from tfbn.transforms.conversion import convert_layers, revert_layers
from tfbn.transforms.held_variables import held_variables
from tfbn.transforms.retracing import take_effect
from tfbn.utils.validation import InputError, check_choice, check_flag, fail, near_names

WHOLE = "."  # the path of the model itself
FLAGS = ("training", "update_statistics", "batch_statistics_in_inference")
KEYS = ("class", "trainable", *FLAGS, "fused")
TFBN, STOCK = "tfbn>BatchNormalization", "BatchNormalization"

Modes = Mapping[str, Mapping[str, Any]]


def modes_of(model: Any) -> dict[str, dict[str, Any]]:
    """The flags of every layer of a model, as a small JSON-compatible value.

    A saved model forgets what was set on layers that another layer makes in its constructor,
    as the blocks of KerasHub's backbones do: `load_model`, `clone_model` and `save_to_preset`
    give stock BatchNormalization that trains. Store this value with the file and restore it
    with `set_modes`.

    Args:
        model: Any built Keras model or layer.

    Returns:
        For each layer with weights, by its path (see `tfbn.traversal.NamedLayer`; `"."` is the
        model itself), a dict of its `class` and whether it is `trainable`; for
        BatchNormalization also those of `training`, `update_statistics`,
        `batch_statistics_in_inference` and `fused` that are set.

    Raises:
        InputError: The model has no BatchNormalization layer, or is not built.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="bn")])
    >>> _ = tfbn.freeze(model, "bn", training=True)
    >>> modes_of(model)["bn"]
    {'class': 'tfbn>BatchNormalization', 'trainable': False, 'training': True, 'fused': False}
    """
    built_batch_normalizations(model)
    return {named.path: _of(named.layer) for named in _layers(model)}


def set_modes(model: Any, modes: Modes) -> Any:
    """Restores the flags from `modes_of` on the layers of a model, all of them or none.

    BatchNormalization becomes tfbn's or stock as the value says; a flag that is missing there
    becomes None. What was set takes effect in the next `fit` or `predict`, also on compiled
    models, as with `tfbn.freeze`. Layers that the value does not name stay as they are.

    Keras numbers layers without a name through a whole process, so a loaded block may hold
    `batch_normalization_7` where there was `batch_normalization`, and a loaded backbone of
    KerasHub `backbone_1_stem` for `stem`. Where a path is not found, such names are
    matched by their order.

    Args:
        model: Any built Keras model or layer.
        modes: The value of `modes_of` for the same model, also after a round trip through JSON; it
            may be partial.

    Returns:
        `model`.

    Raises:
        InputError: The model has no layer of that path (near names are listed), or one of
            another class; a value is not what `modes_of` gives. Nothing was changed.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="bn")])
    >>> _ = tfbn.freeze(model, "bn", training=True)
    >>> kept = modes_of(model)
    >>> copy = keras.models.clone_model(model)
    >>> _ = tfbn.unfreeze(model, "bn")
    >>> print(set_modes(model, kept).get_layer("bn").mode)
    batch statistics, updating, gamma and beta frozen
    """
    wanted = _matched(model, _checked(modes))
    before = [(named, _of(named.layer)) for named in _layers(model)]
    _put(model, wanted)
    try:
        take_effect(model)
    except BaseException:
        _put(model, before)
        raise
    return model


def _layers(model: Any) -> list[NamedLayer]:
    return [NamedLayer(WHOLE, model), *(named for named in named_layers(model) if named.layer.weights)]


def _of(layer: Any) -> dict[str, Any]:
    found = {"class": keras.saving.get_registered_name(type(layer)), "trainable": layer.trainable}
    if isinstance(layer, keras.layers.BatchNormalization):
        flags = {name: modes.flag(layer, name) for name in FLAGS}
        flags["fused"] = getattr(layer, "fused", None)
        found |= {name: value for name, value in flags.items() if value is not None}
    return found


def _put(model: Any, wanted: Sequence[tuple[NamedLayer, Mapping[str, Any]]]) -> None:
    stay_off = [
        v
        for named in named_layers(model)
        if not named_layers(named.layer)
        for v in held_variables(named.layer)
    ]
    for named, mode in wanted:  # containers first, since Keras sets what is in them too
        if named.layer.trainable != mode["trainable"]:
            named.layer.trainable = mode["trainable"]
    for variable in stay_off:
        variable.trainable = False
    for named, mode in wanted:
        layer = named.layer
        if not isinstance(layer, keras.layers.BatchNormalization):
            continue
        if mode["class"] == STOCK and isinstance(layer, BatchNormalization):
            revert_layers(model, [layer])
        elif mode["class"] == TFBN:
            convert_layers(model, [named], mode.get("training"), mode.get("update_statistics"))
            for name in FLAGS:
                modes.set_flag(layer, name, mode.get(name))
            layer.fused = mode.get("fused")


def _checked(modes: Any) -> Modes:
    if not isinstance(modes, Mapping):
        raise fail("modes", "to be a dict by path, as returned by `tfbn.modes_of`", type(modes).__name__)
    for path, mode in modes.items():
        if not isinstance(path, str):
            raise fail("modes", "to be a dict by path, which is text", path)
        if not isinstance(mode, Mapping) or not {"class", "trainable"} <= set(mode):
            raise fail(f"modes[{path!r}]", "to be a dict with class and trainable", mode)
        for key, value in mode.items():
            check_choice(f"key of modes[{path!r}]", key, KEYS)
            if key != "class":
                check_flag(f"modes[{path!r}][{key!r}]", value)
        if not isinstance(mode["trainable"], bool):
            raise fail(f"modes[{path!r}]['trainable']", "to be True or False", mode["trainable"])
        if not isinstance(mode["class"], str):
            raise fail(f"modes[{path!r}]['class']", "to be text", mode["class"])
    return modes


def _matched(model: Any, modes: Modes) -> list[tuple[NamedLayer, Mapping[str, Any]]]:
    """The layer of each mode, in the model's order; raises if one has none or another class."""
    layers = {named.path: named for named in _layers(model)}
    names = {path: path for path in modes}
    if not set(modes) <= set(layers):
        known = {path: _of(named.layer) for path, named in layers.items()}
        names = _by_order({WHOLE: known[WHOLE]} | dict(modes), known)
    for path, mode in modes.items():
        layer = layers[names[path]].layer
        found = _of(layer)["class"]
        norms = (TFBN, STOCK)
        if path != WHOLE and found != mode["class"] and not (found in norms and mode["class"] in norms):
            raise fail(f"modes[{path!r}]['class']", f"to be that of the layer, {found}", mode["class"])
        if not isinstance(layer, keras.layers.BatchNormalization) and not {*mode} <= {"class", "trainable"}:
            what = f"to have class and trainable only, since a {found} has no other flags"
            raise fail(f"modes[{path!r}]", what, dict(mode))
    paths = {name: path for path, name in names.items() if path in modes}
    return [(named, modes[paths[path]]) for path, named in layers.items() if path in paths]


def _by_order(modes: Modes, known: Modes) -> dict[str, str]:
    """For each path of `modes` the one in `known` that differs from it by automatic numbers only."""
    groups, others = _general(modes), _general(known)
    names: dict[str, str] = {}
    for general, paths in groups.items():
        theirs = paths if set(paths) <= set(known) else others.get(general, [])
        if len(theirs) != len(paths):
            unknown = next(path for path in paths if path not in known)
            what = f"to name layers of the model ({near_names(unknown, known)})"
            raise InputError(f"Expected `modes` {what}. Received: modes[{unknown!r}]")
        names |= dict(zip(paths, theirs, strict=True))
    return names


def _general(modes: Modes) -> dict[str, list[str]]:
    """Paths by what is left of them without automatic numbers, in their order."""
    groups: dict[str, list[str]] = collections.defaultdict(list)
    short: dict[str, str] = {}
    kinds: dict[str, list[str]] = {}  # the automatic names of a layer and of those around it
    for path, mode in modes.items():
        around = max((p for p in short if path.startswith(f"{p}/")), key=len, default="")
        name = path[len(around) + 1 :] if around else path
        kinds[path] = [_snake_case(mode["class"].rpartition(">")[2]), *kinds.get(around or WHOLE, [])]
        short[path] = (f"{short[around]}/" if around else "") + _without_numbers(name, kinds[path])
        groups[short[path]].append(path)
    return groups


def _without_numbers(name: str, kinds: list[str]) -> str:
    """A name without Keras's number, or without the automatic name of a layer around it at its start."""
    kind, *around = map(re.escape, kinds)
    if re.fullmatch(rf"{kind}(_\d+)?(#\d+)?", name):
        return kinds[0]
    for outer in around:
        name = re.sub(rf"^{outer}(_\d+)?_(?=.)", "", name)
    return name


def _snake_case(name: str) -> str:
    """The name that Keras gives a layer of that class."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()
