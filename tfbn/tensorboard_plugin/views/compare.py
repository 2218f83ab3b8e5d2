"""Two groups: their heat maps, the difference, and the layers that separate first."""

from typing import Any

import numpy as np

from tfbn.summary import tags
from tfbn.tensorboard_plugin.groups import MODE, Group, merged, rows_of
from tfbn.tensorboard_plugin.pooling import Pooled
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments, matrix, numbers
from tfbn.tensorboard_plugin.views.heat_map import COLUMNS, MAX_COLUMNS, metric_of


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Arguments: `a` and `b` once or more each, `metric`, and optionally `columns`, `first`, `last`."""
    wanted, (series, place) = (arguments.texts("a"), arguments.texts("b")), metric_of(arguments)
    columns = arguments.number("columns", COLUMNS, 2, MAX_COLUMNS)
    # A run that is in both groups is read once, and has a row in each.
    runs = list(dict.fromkeys([*wanted[0], *wanted[1]]))
    group, pooled = rows_of(reader, runs, series, columns, *arguments.steps())
    a, b = (_part(group.names, pooled, runs) for runs in wanted)
    sides = [_layers(group, runs) for runs in wanted]
    difference = (b.mean() - a.mean())[..., place]
    return {
        "a": [run for run in group.names if run in wanted[0]],
        "b": [run for run in group.names if run in wanted[1]],
        "skipped": group.skipped,
        "unit": tags.UNITS[tags.SERIES[series][place]],
        "layers": group.layers,
        "layers_of_a": sides[0],
        "layers_of_b": sides[1],
        "steps": pooled.steps.tolist(),
        "recorded": pooled.recorded,
        "values": [matrix(side.mean()[..., place].T) for side in (a, b)],
        "difference": matrix(difference.T),
        "parted": _parted(a, b, place, group.paths),
    }


def _layers(group: Group, runs: list[str]) -> list[dict[str, Any]]:
    """All layers with their modes in some of the runs; a mode that none of them has is not known."""
    own = [layers for name, (layers, _) in zip(group.names, group.read, strict=True) if name in runs]
    known = {layer["path"]: layer for layer in merged(own)}
    return [known.get(layer["path"], {**layer, **dict.fromkeys(MODE)}) for layer in group.layers]


def _part(names: list[str], pooled: Pooled, runs: list[str]) -> Pooled:
    places = [i for i, name in enumerate(names) if name in runs]
    return Pooled(pooled.steps, pooled.values[places], pooled.present[places], pooled.recorded)


def _parted(a: Pooled, b: Pooled, place: int, paths: list[str]) -> list[dict[str, Any]]:
    """The layers whose ranges over the runs stay apart to the end, and the step from which they do.

    The earliest come first; of the same step, the largest final difference.
    """
    with np.errstate(invalid="ignore"):
        apart = (a.high() < b.low()) | (b.high() < a.low())
    both = np.flatnonzero(a.present.any(axis=0) & b.present.any(axis=0))
    steps, apart = a.steps[both], apart[both][..., place]
    ends = [side.mean()[both][..., place] for side in (a, b)]
    found = []
    for layer, path in enumerate(paths):
        together = np.flatnonzero(~apart[:, layer])
        begin = int(together[-1]) + 1 if len(together) else 0
        if begin < len(steps):
            last = [float(end[-1, layer]) for end in ends]
            found.append((int(steps[begin]), -abs(last[1] - last[0]), path, last))
    return [
        {"layer": path, "step": step, **dict(zip("ab", numbers(last), strict=True))}
        for step, _, path, last in sorted(found)
    ]
