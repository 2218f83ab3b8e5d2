"""Freezing part of a model, with what BatchNormalization does there as a choice of its own."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras

from tfbn.compiled import take_effect
from tfbn.conversion import convert_sites
from tfbn.selection import select
from tfbn.statistics import built_sites
from tfbn.traversal import Site, sites
from tfbn.validation import check_flag, fail


@dataclasses.dataclass(frozen=True)
class Change:
    """One flag of one layer that was changed.

    Attributes:
        path: The layer's path, see `tfbn.traversal.Site`.
        flag: `"trainable"`, `"training"` or `"update_statistics"`.
        before: Its value before.
        after: Its value now.
    """

    path: str
    flag: str
    before: bool | None
    after: bool | None


class Changes(tuple[Change, ...]):
    """What `freeze` or `unfreeze` changed: a tuple of `Change` that prints as a table."""

    def __str__(self) -> str:
        if not self:
            return "nothing changed"
        rows = [("layer", "flag", "before", "after")]
        rows += [(c.path, c.flag, str(c.before), str(c.after)) for c in self]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
        return "\n".join("  ".join(row).rstrip() for row in padded)


def freeze(
    model: Any,
    layers: str | Iterable[str] | None = None,
    *,
    up_to: str | None = None,
    training: bool | None = False,
    update_statistics: bool | None = None,
    trainable: bool = False,
) -> Changes:
    """Freezes layers, and sets what their BatchNormalization does in `fit`.

    Kernels, biases, gamma and beta of the chosen layers stop training. The moving
    statistics obey `training` and `update_statistics`, as `tfbn.layers.BatchNormalization`
    has them: with the default `training=False` they normalise and are held. Stock
    BatchNormalization layers among the chosen ones are converted where a flag is set,
    see `tfbn.convert`; other kinds of layers, as Dropout, keep to themselves.

    On a compiled model the next `fit` does what the flags say: its traced functions are
    dropped and the optimizer keeps the state of what still trains. A model that
    *contains* this one and was compiled itself has to be told: freeze through it, or
    compile it again.

    Args:
        model: Any built Keras model or layer.
        layers: Patterns, stages or containers, see `tfbn.selection.select`. All layers
            if neither this nor `up_to` is given.
        up_to: Every layer up to this one, it included.
        training: The BatchNormalization layers' `training` flag; None leaves it.
        update_statistics: Their `update_statistics` flag; None leaves it.
        trainable: Whether the chosen layers' weights train. True sets only the
            BatchNormalization flags apart, on layers that train.

    Returns:
        What was changed.

    Raises:
        InputError: A pattern fits nothing, or a flag is not True, False or None.
            Nothing was changed.

    Example:

    >>> model = tfbn.models.build("resnet8", width=4)
    >>> changes = tfbn.freeze(model, ["stem", "stage1"], training=True)
    >>> print(Changes(c for c in changes if c.path.startswith("stem")))
    layer      flag       before  after
    stem_conv  trainable  True    False
    stem_bn    trainable  True    False
    stem_bn    training   None    True
    """
    check_flag("training", training), check_flag("update_statistics", update_statistics)
    return _set(model, select(model, layers, up_to), training, update_statistics, trainable)


def unfreeze(model: Any, layers: str | Iterable[str] | None = None, *, up_to: str | None = None) -> Changes:
    """Lets layers train again, with BatchNormalization as stock Keras has it.

    Args:
        model: As in `freeze`.
        layers: As in `freeze`.
        up_to: As in `freeze`.

    Returns:
        What was changed.

    Example:

    >>> model = tfbn.models.build("resnet8", width=4, trainable=False, training=False)
    >>> _ = tfbn.unfreeze(model, "stage3")
    >>> model.get_layer("stage3_block1_bn1").trainable, model.get_layer("stem_bn").trainable
    (True, False)
    """
    return _set(model, select(model, layers, up_to), None, None, trainable=True, reset=True)


def _set(
    model: Any,
    chosen: list[Site],
    training: bool | None,
    update_statistics: bool | None,
    trainable: bool,
    reset: bool = False,
) -> Changes:
    if not isinstance(trainable, bool):
        raise fail("trainable", "to be True or False", trainable)
    if not getattr(model, "built", True):
        built_sites(model)  # raises with what to do
    before = _flags(model)
    _set_trainable(model, chosen, trainable)
    norms = [site for site in chosen if isinstance(site.layer, keras.layers.BatchNormalization)]
    if training is not None or update_statistics is not None:
        convert_sites(model, norms, training, update_statistics)
    if reset:
        for site in norms:
            if hasattr(site.layer, "update_statistics"):
                site.layer.training = site.layer.update_statistics = None
    take_effect(model)
    after = _flags(model)
    return Changes(
        Change(path, flag, before[path, flag], after[path, flag])
        for path, flag in after
        if before[path, flag] != after[path, flag]
    )


def _set_trainable(model: Any, chosen: list[Site], trainable: bool) -> None:
    """Sets `trainable` on the chosen layers and on no other.

    Keras's setter on a container also sets everything in it, and a container that does
    not train hides what in it does. So containers are set first, each to whether
    anything in it shall train, and then every other layer.
    """
    everything = sites(model)
    is_chosen = {id(site.layer) for site in chosen}
    paths = {site.path for site in everything}
    parents = {path: _parent(path, paths) for path in paths}
    trains = {"": model.trainable}  # whether a layer trains now, its containers considered
    for site in everything:
        trains[site.path] = site.layer.trainable and trains[parents[site.path]]
    wanted = {s.path: trainable if id(s.layer) in is_chosen else trains[s.path] for s in everything}
    containers = dict.fromkeys(parents.values(), False)
    for site in reversed(everything):  # what a container holds comes after it
        if site.path in containers:
            wanted[site.path] = containers[site.path]
        containers[parents[site.path]] |= wanted[site.path]
    if model.trainable != containers.get("", trainable):
        model.trainable = containers.get("", trainable)
    for site in sorted(everything, key=lambda site: site.path not in containers):
        if site.layer.trainable != wanted[site.path]:
            site.layer.trainable = wanted[site.path]


def _parent(path: str, known: set[str]) -> str:
    """The path of the container of a layer; the model's own is empty."""
    # A layer's name may hold slashes itself, so look for what is there.
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in known:
            return path
    return ""


def _flags(model: Any) -> dict[tuple[str, str], bool | None]:
    found: dict[tuple[str, str], bool | None] = {}
    for site in sites(model):
        if not site.layer.weights:
            continue
        found[site.path, "trainable"] = site.layer.trainable
        if isinstance(site.layer, keras.layers.BatchNormalization):
            # On a stock layer there are none, which is what None says.
            found[site.path, "training"] = site.layer.__dict__.get("_training_flag")
            found[site.path, "update_statistics"] = site.layer.__dict__.get("_update_statistics_flag")
    return found
