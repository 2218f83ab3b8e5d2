"""A run's tensors, read through TensorBoard's data provider and put together."""

import collections
import json
import threading
from typing import Any

import numpy as np
from tensorboard.data import provider as providers

from tfbn.summary import tags
from tfbn.utils.validation import check_choice, fail, near_names

# Series of rows kept in memory; of 200 layers one has about 8 MB.
CACHED = 24


class RowsCache:
    """The rows that were read last, by run and series, as long as nothing was added to them."""

    def __init__(self) -> None:
        self._rows: collections.OrderedDict[Any, tuple[Any, Any]] = collections.OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, state: Any) -> Any:
        """What was kept under a key, or None if that was for another state."""
        with self._lock:
            known, value = self._rows.get(key, (None, None))
            return value if known == state else None

    def put(self, key: Any, state: Any, value: Any) -> None:
        """Keeps a value; drops the oldest one where there are too many."""
        with self._lock:
            self._rows[key] = (state, value)
            self._rows.move_to_end(key)
            while len(self._rows) > CACHED:
                self._rows.popitem(last=False)


class Reader:
    """Reads what one request needs.

    Args:
        provider: TensorBoard's data provider.
        ctx: The request's context.
        experiment: The experiment's name.
        cache: Shared by all requests.
    """

    def __init__(self, provider: providers.DataProvider, ctx: Any, experiment: str, cache: RowsCache):
        self._provider, self._cache = provider, cache
        self._where = {"ctx": ctx, "experiment_id": experiment}

    def all_runs(self) -> list[str]:
        """Every run in the order in which TensorBoard gives them colours."""
        runs = self._provider.list_runs(**self._where)
        infinity = float("inf")
        ordered = sorted(
            runs, key=lambda run: (infinity if run.start_time is None else run.start_time, run.run_name)
        )
        return [run.run_name for run in ordered]

    def runs(self) -> dict[str, dict[str, Any]]:
        """What each run that has data of this plugin tells about its first fit."""
        tag = tags.about(0)
        return {run: _json(by_tag[tag]) for run, by_tag in self._tensors(None, [tag], 1).items()}

    def about(self, run: str) -> dict[str, Any]:
        """What a run tells about its latest fit, as layers and their modes.

        Raises:
            InputError: There is no such run, or it has no data of this plugin.
        """
        fits = [tag for tag in self._listed(run) if tag.startswith(f"{tags.PLUGIN}/about/")]
        if not fits:
            raise fail("run", f"to be a run with BatchNorm data ({near_names(run, self.runs())})", run)
        return _json(self._tensors(run, [max(fits)], 1)[run][max(fits)])

    def layer_index(self, run: str, layer: str) -> int:
        """The number of a layer.

        Raises:
            InputError: The run or the layer does not exist.
        """
        paths = [about["path"] for about in self.about(run)["layers"]]
        if layer not in paths:
            raise fail("layer", f"to be a BatchNorm layer of this run ({near_names(layer, paths)})", layer)
        return paths.index(layer)

    def rows(self, run: str, series: str) -> tuple[np.ndarray, np.ndarray]:
        """All rows of a series.

        Returns:
            `(steps, values)`: shapes `(n,)` and `(n, layers, metrics)`, by ascending step.
        """
        check_choice("series", series, tags.SERIES)
        prefix = f"{tags.PLUGIN}/{series}/"
        listed = {tag: about for tag, about in self._listed(run).items() if tag.startswith(prefix)}
        state = tuple((tag, listed[tag].max_wall_time) for tag in sorted(listed))
        key = (self._where["experiment_id"], run, series)
        known = self._cache.get(key, state)
        if known is None:
            known = _joined(self._tensors(run, sorted(listed), 1).get(run, {}), len(tags.SERIES[series]))
            self._cache.put(key, state, known)
        return known

    def reference(self, run: str, layer: int) -> np.ndarray | None:
        """A layer's reference, shape `(2, channels)`; None if it is not there."""
        tag = tags.reference(layer)
        found = self._tensors(run, [tag], 1).get(run, {}).get(tag)
        return found[-1].numpy if found else None

    def channels(self, run: str, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """All snapshots of a layer: steps `(n,)`, and `(n, 4, channels)`."""
        prefix = tags.channels(layer, 0).rpartition("/")[0]
        wanted = [tag for tag in self._listed(run) if tag.startswith(f"{prefix}/")]
        points = [
            (datum.step, datum.numpy)
            for by_tag in self._tensors(run, wanted, tags.SNAPSHOTS_PER_TAG).values()
            for data in by_tag.values()
            for datum in data
        ]
        by_step = dict(sorted(points, key=lambda point: point[0]))
        return np.array(list(by_step), np.int64), np.array(list(by_step.values()))

    def scalars(self, run: str, prefix: str) -> dict[str, tuple[list[int], list[float]]]:
        """The stock scalars of a run whose tags begin with a prefix: `{tag: (steps, values)}`."""
        only = providers.RunTagFilter(runs=[run])
        listed = self._provider.list_scalars(**self._where, plugin_name="scalars", run_tag_filter=only)
        wanted = [tag for tag in listed.get(run, {}) if tag.startswith(prefix)]
        if not wanted:
            return {}
        read = self._provider.read_scalars(
            **self._where,
            plugin_name="scalars",
            downsample=1000,
            run_tag_filter=providers.RunTagFilter(runs=[run], tags=wanted),
        )
        return {
            tag: ([datum.step for datum in data], [datum.value for datum in data])
            for tag, data in sorted(read.get(run, {}).items())
        }

    def _listed(self, run: str) -> dict[str, Any]:
        only = providers.RunTagFilter(runs=[run])
        return self._provider.list_tensors(**self._where, plugin_name=tags.PLUGIN, run_tag_filter=only).get(
            run, {}
        )

    def _tensors(self, run: str | None, wanted: list[str], points: int) -> dict[str, dict[str, Any]]:
        if not wanted:
            return {}
        return self._provider.read_tensors(
            **self._where,
            plugin_name=tags.PLUGIN,
            downsample=points,
            run_tag_filter=providers.RunTagFilter(runs=None if run is None else [run], tags=wanted),
        )


def _json(data: list[Any]) -> dict[str, Any]:
    return json.loads(data[-1].numpy.item())


def _joined(by_tag: dict[str, Any], metrics: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks put together; of a step that comes twice, the later row."""
    steps, values = [np.zeros(0, np.int64)], []
    for tag in sorted(by_tag):
        name, _, part = tag.rpartition("/")
        if part != "steps" or f"{name}/values" not in by_tag:
            continue
        block_steps, block_values = by_tag[tag][-1].numpy, by_tag[f"{name}/values"][-1].numpy
        # Of a run that is being written, one of the two may be older than the other.
        rows = min(len(block_steps), len(block_values))
        steps.append(block_steps[:rows])
        values.append(block_values[:rows])
    all_steps = np.concatenate(steps)
    if not len(all_steps):
        return all_steps, np.zeros((0, 0, metrics), np.float32)
    all_values = np.concatenate(values)
    _, last_of_step = np.unique(all_steps[::-1], return_index=True)
    kept = len(all_steps) - 1 - last_of_step
    return all_steps[kept], all_values[kept]
