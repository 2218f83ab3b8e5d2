"""Keeps a recorder's output from ending a training run: a full disk ends the log, not the fit."""

import functools
import warnings
from collections.abc import Callable, Collection
from typing import Any


class Disk:
    """The state of a disk that a recorder writes to.

    Attributes:
        error: The first error, or None.

    Example:

    >>> disk = Disk()
    >>> with open(folder / "log.txt", "w") as file:
    ...     disk.tolerant(file).write("a line")
    6
    >>> disk.error is None
    True
    """

    def __init__(self) -> None:
        self.error: OSError | None = None

    def tolerant(self, target: Any, tried_again: Collection[str] = ()) -> Any:
        """The same object, whose methods do nothing from the first `OSError` on.

        Args:
            target: What writes.
            tried_again: Methods whose errors are tolerated, since what they were to write is kept.
        """
        return _Tolerant(target, self._failed, tried_again)

    def _failed(self, error: OSError) -> None:
        if self.error is None:
            self.error = error
            warnings.warn(
                f"DriftRecorder can no longer write its log; training continues: {error}. Rows "
                "written so far can be read.",
                stacklevel=2,
            )


class _Tolerant:
    def __init__(self, target: Any, failed: Callable[[OSError], None], tried_again: Collection[str]):
        self._target, self._failed, self._tried_again = target, failed, tried_again
        self._ended = False

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        return functools.partial(self._call, attribute, name) if callable(attribute) else attribute

    def _call(self, method: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
        if self._ended:
            return None
        try:
            return method(*args, **kwargs)
        except OSError as error:
            self._ended = name not in self._tried_again
            self._failed(error)
            return None
