"""The files of the page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tensorboard.backend import http_util
from werkzeug import wrappers

from tfbn.tensorboard_plugin.requests import METHODS, not_allowed
from tfbn.utils import glossary

FOLDER = Path(__file__).parent / "static"
ENTRY = "/index.js"
GLOSSARY = "/glossary.html"
TYPES = {".js": "text/javascript", ".css": "text/css"}


def apps() -> dict[str, Callable]:
    """A route for each file, and for the glossary; what is not in the folder now has none.

    Example:

    >>> "/index.js" in apps() and not any(".." in route for route in apps())
    True
    """
    files = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in TYPES]
    own = {GLOSSARY: _app(lambda: glossary.as_html().encode(), "text/html")}
    return own | {
        f"/{path.relative_to(FOLDER).as_posix()}": _app(path.read_bytes, TYPES[path.suffix]) for path in files
    }


def _app(read: Callable[[], bytes], content_type: str) -> Callable:
    def serve(request: wrappers.Request) -> Any:
        if request.method not in METHODS:
            return not_allowed(request)
        return http_util.Respond(request, read(), content_type)

    return wrappers.Request.application(serve)
