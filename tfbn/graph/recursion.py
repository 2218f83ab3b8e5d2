"""Room for Keras's recursion over very deep graphs."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def deep_graphs(limit: int = 100_000) -> Iterator[None]:
    """While the block runs, Keras can walk graphs of thousands of layers.

    Keras finds the layers of a functional model by a function that calls itself once for
    each layer on a path to the input. Python's default limit of 1000 calls is reached
    in plain networks of 300 and in residual ones of 900 convolutions. The builders of `tfbn.models`
    use this themselves. Use it around calls that walk such a network again:
    `keras.models.load_model`, `keras.models.clone_model`, `keras.Model(model.input, ...)`.
    Calls, `fit`, `get_config` and `save` do not need it.

    Args:
        limit: The number of nested calls to allow. Never lowers the limit in force.

    Example:

    >>> import sys
    >>> before = sys.getrecursionlimit()
    >>> with deep_graphs():
    ...     print(sys.getrecursionlimit() >= 100_000)
    True
    >>> sys.getrecursionlimit() == before
    True
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, limit))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
