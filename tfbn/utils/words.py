"""Wording of messages."""

from collections.abc import Sequence


def counted(number: int | Sequence[int], noun: str, plural: str = "") -> str:
    """A number with its noun, in the singular after 1 alone.

    Args:
        number: How many, or several numbers, which are joined by slashes.
        noun: In the singular.
        plural: Where it is not the singular with an s.

    Example:

    >>> counted(1, "seed"), counted(0, "epoch"), counted((2, 4), "seed"), counted(3, "class", "classes")
    ('1 seed', '0 epochs', '2/4 seeds', '3 classes')
    """
    numbers = tuple(number) if isinstance(number, Sequence) else (number,)
    word = noun if numbers == (1,) else plural or f"{noun}s"
    return f"{'/'.join(map(str, numbers))} {word}"
