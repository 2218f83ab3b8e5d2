"""Reads a run's tensors through TensorBoard's data provider and assembles them."""

from typing import Any

import numpy as np
from tensorboard.data import provider as providers

from tfbn.summary import tags
from tfbn.tensorboard_plugin.cache import RowsCache
from tfbn.tensorboard_plugin.descriptions import UnreadableRunError, described, shortened
from tfbn.tensorboard_plugin.series import joined, snapshots
from tfbn.utils.validation import check_choice, fail, near_names

# What TensorBoard's conversion of a tensor raises where the tensor is damaged.
DAMAGED = (TypeError, ValueError, KeyError)
BYTES_OF_A_LAYER = 1000  # about, of its description in memory


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
        # Of one request, by run, and by run and series: what was listed, and what was read ahead.
        self._listings: dict[str, dict[str, Any]] = {}
        self._fetched: dict[tuple[str, str], dict[str, Any]] = {}

    def list_tags(self, runs: list[str]) -> None:
        """Lists the tags of several runs at once, which is as fast as of one."""
        missing = [run for run in runs if run not in self._listings]
        if missing:
            only = providers.RunTagFilter(runs=missing)
            listed = self._provider.list_tensors(**self._where, plugin_name=tags.PLUGIN, run_tag_filter=only)
            self._listings |= {run: listed.get(run, {}) for run in missing}

    def runs(self) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
        """Every run of this plugin that can be read, and every one that cannot.

        Returns:
            The layers of the first fit by run, and the reason by run.
        """
        found, skipped = {}, {}
        for run, listed in self._all_listed().items():
            try:
                found[run] = self._described(run, listed, tags.about(0))
            except UnreadableRunError as error:
                skipped[run] = shortened(str(error))
        return found, skipped

    def layers(self, run: str) -> list[dict[str, Any]]:
        """The layers of a run in order, with their modes in its latest fit.

        Raises:
            InputError: There is no such run, or it has no data of this plugin, or its log cannot be read.
        """
        listed = self._listed(run)
        fits = [tag for tag in listed if tag.startswith(f"{tags.PLUGIN}/about/")]
        if not fits:
            hint = near_names(run, self._all_listed())
            raise fail("run", f"to be a run with BatchNorm data ({hint})", run)
        return self.readable(run, lambda: self._described(run, listed, max(fits)))

    def readable(self, run: str, read: Any) -> Any:
        """The result of `read()`; a log that cannot be read is an error of the argument `run`."""
        try:
            return read()
        except UnreadableRunError as error:
            what = f"to be a run whose log can be read ({shortened(str(error))})"
            raise fail("run", what, run) from error

    def layer_index(self, run: str, layer: str) -> int:
        """The number of a layer.

        Raises:
            InputError: The run or the layer does not exist.
        """
        paths = [about["path"] for about in self.layers(run)]
        if layer not in paths:
            raise fail("layer", f"to be a BatchNorm layer of this run ({near_names(layer, paths)})", layer)
        return paths.index(layer)

    def rows(self, run: str, series: str) -> tuple[np.ndarray, np.ndarray]:
        """All rows of a series.

        Returns:
            `(steps, values)`: shapes `(n,)` and `(n, layers, metrics)`, by ascending step.
        """
        check_choice("series", series, tags.SERIES)
        wanted, state = self._blocks(run, series)
        key = (self._where["experiment_id"], run, series)
        known = self._cache.get(key, state)
        if known is None:
            count, metrics = len(self.layers(run)), len(tags.SERIES[series])
            read = self._fetched.pop((run, series), None)
            known = self.readable(run, lambda: joined(read or self._tensors(run, wanted, 1), count, metrics))
            self._cache.put(key, state, known, sum(array.nbytes for array in known))
        return known

    def fetch(self, runs: list[str], series: str) -> None:
        """Reads a series of several runs at once, for `rows`: one request takes as long as many."""
        self.list_tags(runs)
        missing = {}
        for run in runs:
            wanted, state = self._blocks(run, series)
            if wanted and self._cache.get((self._where["experiment_id"], run, series), state) is None:
                missing[run] = wanted
        every = sorted({tag for wanted in missing.values() for tag in wanted})
        try:
            read = self._read(list(missing), every, 1)
        except UnreadableRunError:
            return  # `rows` reads run by run then, and says which one is damaged
        self._fetched |= {(run, series): by_tag for run, by_tag in read.items()}

    def _blocks(self, run: str, series: str) -> tuple[list[str], Any]:
        """The tags of a series' blocks, and what changes when something is added to them."""
        listed = self._listed(run)
        wanted = sorted(tag for tag in listed if tag.startswith(f"{tags.PLUGIN}/{series}/"))
        return wanted, tuple((tag, listed[tag].max_wall_time) for tag in wanted)

    def reference(self, run: str, layer: int, channels: int) -> np.ndarray | None:
        """A layer's reference, shape `(2, channels)`; None if it is not there."""
        tag = tags.reference(layer)

        def read() -> np.ndarray | None:
            found = [(0, datum.numpy) for datum in self._tensors(run, [tag], 1).get(tag, [])]
            return snapshots(found, 2, channels)[1][-1] if found else None

        return self.readable(run, read)

    def channels(self, run: str, layer: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """All snapshots of a layer: steps `(n,)`, and `(n, 4, channels)`."""
        prefix = tags.channels(layer, 0).rpartition("/")[0]
        wanted = [tag for tag in self._listed(run) if tag.startswith(f"{prefix}/")]

        def read() -> tuple[np.ndarray, np.ndarray]:
            by_tag = self._tensors(run, wanted, tags.SNAPSHOTS_PER_TAG)
            points = [(datum.step, datum.numpy) for data in by_tag.values() for datum in data]
            return snapshots(points, 4, channels)

        return self.readable(run, read)

    def texts(self, tag: str, runs: list[str]) -> dict[str, list[Any]]:
        """The tensors of one tag in several runs, of those that have it."""
        self.list_tags(runs)
        having = [run for run in runs if tag in self._listed(run)]
        found = {run: self.readable(run, lambda run=run: self._tensors(run, [tag], 1)) for run in having}
        return {run: by_tag[tag] for run, by_tag in found.items() if tag in by_tag}

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

    def plugin_contents(self, plugin: str, tag: str) -> dict[str, bytes]:
        """The plugin data that another plugin keeps with a tag, by run."""
        only = providers.RunTagFilter(tags=[tag])
        listed = self._provider.list_tensors(**self._where, plugin_name=plugin, run_tag_filter=only)
        return {run: by_tag[tag].plugin_content for run, by_tag in listed.items() if tag in by_tag}

    def _described(self, run: str, listed: dict[str, Any], tag: str) -> list[dict[str, Any]]:
        if tag not in listed:
            raise UnreadableRunError("it has no description of its layers")
        state = listed[tag].max_wall_time
        key = (self._where["experiment_id"], run, tag)
        known = self._cache.get(key, state)
        if known is None:
            known = described(self._tensors(run, [tag], 1).get(tag, []), listed[tag].plugin_content)
            self._cache.put(key, state, known, BYTES_OF_A_LAYER * len(known))
        return known

    def _all_listed(self) -> dict[str, dict[str, Any]]:
        return self._provider.list_tensors(**self._where, plugin_name=tags.PLUGIN)

    def _listed(self, run: str) -> dict[str, Any]:
        self.list_tags([run])
        return self._listings[run]

    def _tensors(self, run: str, wanted: list[str], points: int) -> dict[str, Any]:
        return self._read([run], wanted, points).get(run, {})

    def _read(self, runs: list[str], wanted: list[str], points: int) -> dict[str, dict[str, Any]]:
        if not wanted or not runs:
            return {}
        try:
            return self._provider.read_tensors(
                **self._where,
                plugin_name=tags.PLUGIN,
                downsample=points,
                run_tag_filter=providers.RunTagFilter(runs=runs, tags=wanted),
            )
        except DAMAGED as error:
            raise UnreadableRunError(f"a tensor of it is damaged: {shortened(str(error))}") from error
