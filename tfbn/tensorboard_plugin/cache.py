"""A bounded cache of what was read last."""

import collections
import threading
from typing import Any

# Bytes. A series of 200 layers has about 8 MB, one of ResNet-8 about 0.1 MB.
CAPACITY = 256 << 20


class RowsCache:
    """Values by run and series, valid as long as nothing is added to their run.

    Args:
        capacity: Bytes of all values together; the newest entry stays even if it alone has more.
    """

    def __init__(self, capacity: int = CAPACITY):
        self._rows: collections.OrderedDict[Any, tuple[Any, Any, int]] = collections.OrderedDict()
        self._capacity, self._bytes = capacity, 0
        self._lock = threading.Lock()

    def get(self, key: Any, state: Any) -> Any:
        """The value of a key, or None if it belongs to another state."""
        with self._lock:
            known, value, _ = self._rows.get(key, (None, None, 0))
            if known != state:
                return None
            self._rows.move_to_end(key)
            return value

    def put(self, key: Any, state: Any, value: Any, size: int) -> None:
        """Keeps a value of a given size in bytes; drops the least recently used ones if there is too much."""
        with self._lock:
            self._bytes += size - self._rows.pop(key, (None, None, 0))[2]
            self._rows[key] = (state, value, size)
            while self._bytes > self._capacity and len(self._rows) > 1:
                self._bytes -= self._rows.popitem(last=False)[1][2]
