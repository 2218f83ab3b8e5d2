"""`BatchNormPlugin`: TensorBoard's tab BatchNorm."""

from collections.abc import Callable
from typing import Any

from tensorboard import plugin_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from tfbn.summary import tags
from tfbn.tensorboard_plugin import static_files
from tfbn.tensorboard_plugin.cache import RowsCache
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments, answered
from tfbn.tensorboard_plugin.views import (
    compare,
    curves,
    findings,
    heat_map,
    layer,
    model,
    performance,
    runs,
)

View = Callable[[Reader, Arguments], Any]

# Route -> what it answers.
VIEWS: dict[str, View] = {
    "/runs": runs.view,
    "/heat_map": heat_map.view,
    "/compare": compare.view,
    "/curves": curves.view,
    "/findings": findings.view,
    "/layer": layer.view,
    "/model": model.view,
    "/performance": performance.view,
}


class BatchNormPlugin(base_plugin.TBPlugin):
    """Serves the page and its data.

    Args:
        context: TensorBoard's context; only its data provider is used.
    """

    plugin_name = tags.PLUGIN

    def __init__(self, context: base_plugin.TBContext):
        super().__init__(context)
        self._provider = context.data_provider
        self._cache = RowsCache()

    def get_plugin_apps(self) -> dict[str, Callable]:
        """The routes: one for each view, and one for each file of the page; no other file is served."""
        return {
            **{route: self._app(view) for route, view in VIEWS.items()},
            **static_files.apps(),
        }

    def is_active(self) -> bool:
        """Not asked where the provider lists the plugins that have data, as TensorBoard's own do."""
        return False

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """The tab's name and the module to start with."""
        return base_plugin.FrontendMetadata(es_module_path=static_files.ENTRY, tab_name="BatchNorm")

    def _app(self, view: View) -> Callable:
        def respond(request: wrappers.Request) -> Any:
            reader = Reader(
                self._provider,
                plugin_util.context(request.environ),
                plugin_util.experiment_id(request.environ),
                self._cache,
            )
            return answered(request, lambda: view(reader, Arguments(request.args)))

        return wrappers.Request.application(respond)
