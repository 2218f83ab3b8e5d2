"""Decides which rows to keep, so that a long training takes no more space than a short one."""


class Thinning:
    """Keeps about `limit` rows, evenly spaced, regardless of how many there are.

    Args:
        limit: How many to keep of a training whose length is known.

    Example:

    >>> thinning = Thinning(limit=4)
    >>> thinning.begin(rows=10)
    >>> [row for row in range(10) if thinning.keeps(row)]
    [0, 3, 6, 9]
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._stride: int | None = None

    def begin(self, rows: int | None) -> None:
        """Training that will produce this many rows begins; None if unknown."""
        self._stride = None if rows is None else -(-rows // self._limit) or 1

    def keeps(self, row: int) -> bool:
        """Whether to keep the row of this number."""
        return row % (self._stride or growing_stride(row, self._limit)) == 0


def growing_stride(row: int, limit: int) -> int:
    """The stride of the rows to keep when their number is not known in advance.

    All of the first half of `limit`, then every second row until `limit`, every fourth until
    twice that, and so on: each doubling adds a quarter of `limit`.

    Example:

    >>> [growing_stride(row, 1000) for row in (3, 499, 500, 1999, 2000)]
    [1, 1, 2, 4, 8]
    """
    return 1 << max(0, (4 * row // limit).bit_length() - 1)
