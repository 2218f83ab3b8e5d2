"""The runs of one group, such as the seeds of an arm, read together."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tfbn.summary import tags
from tfbn.tensorboard_plugin.descriptions import shortened
from tfbn.tensorboard_plugin.pooling import Pooled, pooled
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.utils.validation import InputError

Read = TypeVar("Read")
MODE = ("normalizes_by", "updates", "trains")


@dataclasses.dataclass(frozen=True)
class Group:
    """The runs that could be read, with their data.

    Attributes:
        names: Of the runs.
        layers: Of all of them, in the first one's order; a mode that differs between runs is None.
        read: The data of each run.
        skipped: `{"name", "reason"}` of each run that could not be read.
    """

    names: list[str]
    layers: list[dict[str, Any]]
    read: list[Any]
    skipped: list[dict[str, str]]

    @property
    def paths(self) -> list[str]:
        """The layers' paths."""
        return [layer["path"] for layer in self.layers]


def group(reader: Reader, runs: list[str], read: Callable[[str], Any]) -> Group:
    """Reads the layers of each run and `read(run)`; a run that cannot be read is skipped and named.

    Raises:
        InputError: None of the runs can be read.
    """
    reader.list_tags(runs)
    names, layers, found, skipped = [], [], [], []
    errors = []
    for run in runs:
        try:
            one = (reader.layers(run), read(run))
        except InputError as error:
            errors.append(error)
            skipped.append({"name": run, "reason": shortened(str(error))})
            continue
        names.append(run)
        layers.append(one[0])
        found.append(one[1])
    if not names:
        raise errors[0]
    return Group(names, merged(layers), found, skipped)


def merged(layers: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The layers of several runs, each once.

    Example:

    >>> held, updating = {"path": "bn", "updates": False}, {"path": "bn", "updates": True}
    >>> merged([[held], [held]]), merged([[held], [updating]])
    ([{'path': 'bn', 'updates': False}], [{'path': 'bn', 'updates': None}])
    """
    found: dict[str, dict[str, Any]] = {}
    for layer in (layer for own in layers for layer in own):
        known = found.setdefault(layer["path"], dict(layer))
        for key in set(MODE) & set(layer):
            if known[key] != layer[key]:
                known[key] = None
    return list(found.values())


def rows_of(
    reader: Reader,
    runs: list[str],
    series: str,
    count: int,
    first: int | None = None,
    last: int | None = None,
) -> tuple[Group, Pooled]:
    """A series of all runs of a group on common steps and layers, `Pooled` of `(layers, metrics)`.

    A layer that a run does not have is NaN.
    """
    reader.fetch(runs, series)
    of = group(reader, runs, lambda run: (reader.layers(run), reader.rows(run, series)))
    place = {path: i for i, path in enumerate(of.paths)}
    metrics = len(tags.SERIES[series])
    placed = []
    for layers, (_, values) in of.read:
        own = [place[layer["path"]] for layer in layers]
        if own == list(range(len(place))):
            placed.append(values)
            continue
        wide = np.full((len(values), len(place), metrics), np.nan, np.float32)
        wide[:, own] = values
        placed.append(wide)
    return of, pooled([steps for _, (steps, _) in of.read], placed, count, first, last)
