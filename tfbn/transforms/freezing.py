"""Freezes part of a model, with the mode of its BatchNormalization as a separate choice."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras

from tfbn.graph.keras_internals.layers import own_trainable_variables
from tfbn.graph.selection import select
from tfbn.graph.traversal import NamedLayer, built_batch_normalizations, named_layers
from tfbn.transforms.conversion import convert_layers, is_foreign, warn_of_foreign
from tfbn.transforms.freeze_warnings import warn_after_freezing
from tfbn.transforms.held_variables import held_variables
from tfbn.transforms.retracing import Effect
from tfbn.utils.text_tables import text_table
from tfbn.utils.validation import check_flag, fail


@dataclasses.dataclass(frozen=True)
class Change:
    """One flag of one layer that was changed.

    Attributes:
        path: The layer's path, see `tfbn.traversal.NamedLayer`.
        flag: `"trainable"`, `"training"` or `"update_statistics"`.
        before: Its value before.
        after: Its value now.
    """

    path: str
    flag: str
    before: bool | None
    after: bool | None


class Changes(tuple[Change, ...]):
    """The changes made by `freeze` or `unfreeze`: a tuple of `Change` that prints as a table."""

    def __str__(self) -> str:
        if not self:
            return "nothing changed"
        rows = [(c.path, c.flag, str(c.before), str(c.after)) for c in self]
        return text_table(("layer", "flag", "before", "after"), rows)


def freeze(
    model: Any,
    layers: str | Iterable[str] | None = None,
    *,
    up_to: str | None = None,
    training: bool | None = False,
    update_statistics: bool | None = None,
    trainable: bool = False,
) -> Changes:
    """Freezes layers, and sets the mode of their BatchNormalization in `fit`.

    Kernels, biases, gamma and beta of the chosen layers stop training. The moving
    statistics obey `training` and `update_statistics`, see `tfbn.layers.BatchNormalization`: with the
    default `training=False` they normalize and are held. Stock
    BatchNormalization layers among the chosen ones are converted where a flag is set,
    see `tfbn.convert`; other kinds of layers, such as Dropout, are not affected. Layers of other
    classes derived from BatchNormalization get only `trainable`, and a warning names them.

    On a compiled model, and on compiled models that contain this one, the next `fit` does
    what the flags say: functions are traced again, and the optimizer, the same object, drops
    variables that no longer train. On TensorFlow a callback may do this between epochs.

    Args:
        model: Any built Keras model or layer.
        layers: Patterns, stages or containers, see `tfbn.graph.selection.select`. All layers
            if neither this nor `up_to` is given.
        up_to: Every layer up to and including this one.
        training: The BatchNormalization layers' `training` flag; None leaves it.
        update_statistics: Their `update_statistics` flag; None leaves it.
        trainable: Whether the chosen layers' weights train. True sets only the BatchNormalization
            flags, on layers that train.

    Returns:
        The changes.

    Raises:
        InputError: A pattern matches nothing, or a flag is not True, False or None.
            Nothing was changed.

    Example:

    >>> model = tfbn.models.build("resnet8", width=4)
    >>> changes = tfbn.freeze(model, ["stem", "stage1"], training=True)
    >>> print(Changes(c for c in changes if c.path.startswith("stem")))
    layer       flag        before   after
    ──────────────────────────────────────
    stem_conv   trainable   True     False
    stem_bn     trainable   True     False
    stem_bn     training    None     True
    """
    check_flag("training", training), check_flag("update_statistics", update_statistics)
    return _set(model, layers, up_to, training, update_statistics, trainable)


def unfreeze(model: Any, layers: str | Iterable[str] | None = None, *, up_to: str | None = None) -> Changes:
    """Lets layers train again, with BatchNormalization as in stock Keras.

    The optimizer of a compiled model adopts their variables: for them it starts like a new one, with
    fresh moments and averages and steps counted from here. For the others, and for the learning rate,
    it continues unchanged.

    Args:
        model: As in `freeze`.
        layers: As in `freeze`.
        up_to: As in `freeze`.

    Returns:
        What was changed.

    Raises:
        InputError: A pattern matches nothing, or the optimizer keeps state that cannot be
            extended. Nothing was changed.

    Example:

    >>> model = tfbn.models.build("resnet8", width=4, trainable=False, training=False)
    >>> _ = tfbn.unfreeze(model, "stage3")
    >>> model.get_layer("stage3_block1_bn1").trainable, model.get_layer("stem_bn").trainable
    (True, False)
    """
    return _set(model, layers, up_to, None, None, trainable=True, reset=True)


def _set(
    model: Any,
    layers: str | Iterable[str] | None,
    up_to: str | None,
    training: bool | None,
    update_statistics: bool | None,
    trainable: bool,
    reset: bool = False,
) -> Changes:
    chosen = select(model, layers, up_to)
    if not isinstance(trainable, bool):
        raise fail("trainable", "to be True or False", trainable)
    if not getattr(model, "built", True):
        built_batch_normalizations(model)  # the error says what to do
    before = _flags(model)
    effect = _set_trainable_or_nothing(model, layers, up_to, chosen, trainable)
    norms = [named for named in chosen if isinstance(named.layer, keras.layers.BatchNormalization)]
    foreign = [named for named in norms if is_foreign(named.layer)]
    if training is not None or update_statistics is not None:
        convert_layers(model, [named for named in norms if named not in foreign], training, update_statistics)
    if reset:
        for named in norms:
            if hasattr(named.layer, "update_statistics"):
                named.layer.training = named.layer.update_statistics = None
    effect.take()
    if training is not None or update_statistics is not None:
        warn_of_foreign(foreign, stacklevel=4)
    after = _flags(model)
    if not reset:
        changed = {path for path, flag in after if before[path, flag] != after[path, flag]}
        warn_after_freezing(model, changed, named=(layers, up_to) != (None, None), stacklevel=4)
    return Changes(
        Change(path, flag, before[path, flag], after[path, flag])
        for path, flag in after
        if before[path, flag] != after[path, flag]
    )


def _set_trainable_or_nothing(
    model: Any, layers: Any, up_to: str | None, chosen: list[NamedLayer], trainable: bool
) -> Effect:
    """Sets `trainable`; if an optimizer cannot follow, restores it and raises."""
    everything = [model, *(named.layer for named in named_layers(model))]
    flags = [(layer, layer.trainable) for layer in everything]
    flags += [(v, v.trainable) for layer in everything for v in own_trainable_variables(layer)]
    # Without a selection, the variables that a subclassed model owns itself are included.
    whole = [] if (layers, up_to) != (None, None) else [model]
    _set_trainable(model, [*whole, *(named.layer for named in chosen)], trainable)
    try:
        return Effect(model)
    except BaseException:
        for each, flag in flags:  # containers first, since Keras sets what is in them too
            each.trainable = flag
        raise


def _set_trainable(model: Any, chosen: list[Any], trainable: bool) -> None:
    """Sets `trainable` on the chosen layers and on no other.

    A variable trains if its own flag and that of the fitted model say so; the flags of the
    containers between them do not matter. But Keras's setter on a container also sets everything
    in it. So the containers of the chosen layers are set first, each to whether anything in it
    will train, then their own variables and every other layer. Variables that were off on their
    own stay off.
    """
    everything = [model, *(named.layer for named in named_layers(model))]
    inside = {id(layer): [named.layer for named in named_layers(layer)] for layer in everything}
    is_chosen = {id(layer) for layer in chosen}

    def will_train(layer: Any, trains: bool) -> bool:
        return trainable if id(layer) in is_chosen else trains and model.trainable

    containers = [layer for layer in everything if inside[id(layer)]]
    others = [layer for layer in everything if not inside[id(layer)]]
    stay_off = [v for layer in others for v in held_variables(layer)]
    own = {id(c): [(v, will_train(c, v.trainable)) for v in own_trainable_variables(c)] for c in containers}
    wanted = {id(layer): will_train(layer, layer.trainable) for layer in others}
    wanted |= {layer: any(trains for _, trains in variables) for layer, variables in own.items()}
    flags = []
    for container in containers:
        held = [id(layer) for layer in (container, *inside[id(container)])]
        touched = not is_chosen.isdisjoint(held)
        flags.append(any(wanted[key] for key in held) if touched else container.trainable)
    for container, flag in zip(containers, flags, strict=True):
        if container.trainable != flag:
            container.trainable = flag
    for variable, trains in (pair for pairs in own.values() for pair in pairs):
        variable.trainable = trains
    for layer in others:
        if layer.trainable != wanted[id(layer)]:
            layer.trainable = wanted[id(layer)]
    for variable in stay_off:
        variable.trainable = False


def _flags(model: Any) -> dict[tuple[str, str], bool | None]:
    found: dict[tuple[str, str], bool | None] = {}
    for named in named_layers(model):
        if not named.layer.weights:
            continue
        found[named.path, "trainable"] = named.layer.trainable
        if isinstance(named.layer, keras.layers.BatchNormalization):
            # Stock layers have no flags, which None represents.
            found[named.path, "training"] = named.layer.__dict__.get("_training_flag")
            found[named.path, "update_statistics"] = named.layer.__dict__.get("_update_statistics_flag")
    return found
