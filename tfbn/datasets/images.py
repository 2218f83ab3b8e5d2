"""Labeled images in memory, and reading a tf.data set into them."""

import dataclasses
from typing import Any

import numpy as np

from tfbn.utils.validation import InputError, check_at_least, fail

TOGETHER = 256  # examples


@dataclasses.dataclass(frozen=True)
class Images:
    """A labeled set of images in memory.

    Attributes:
        images: float32 in [0, 1], shape `(n, height, width, channels)`.
        labels: int64, shape `(n,)`.
        class_names: The name of each class, by label.

    Example:

    >>> some = Images(np.zeros((2, 8, 8, 1), "float32"), np.array([0, 1]), ("cat", "dog"))
    >>> some.class_names[some.labels[1]]
    'dog'
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Form:
    """The form into which every image is brought.

    Attributes:
        image_size: Height and width in pixels, the border included; None: as stored.
        border: Empty (zero) pixels on each side.
        channels: 1 (gray) or 3; None: as stored.
        limit: Read at most this many examples; None: all.

    Raises:
        InputError: One of them is out of range.

    Example:

    >>> Form(image_size=28, border=4).inner
    20
    """

    image_size: int | None = None
    border: int = 0
    channels: int | None = None
    limit: int | None = None

    def __post_init__(self):
        check_at_least("border", self.border, 0)
        if self.image_size is not None:
            least = 2 * self.border + 1  # one pixel inside the border
            check_at_least("image_size", self.image_size, least)
        if self.channels not in (None, 1, 3):
            raise fail("channels", "to be 1, 3 or None", self.channels)
        if self.limit is not None:
            check_at_least("limit", self.limit, 1)

    @property
    def inner(self) -> int | None:
        """Height and width inside the border."""
        return None if self.image_size is None else self.image_size - 2 * self.border

    def of(self, image: Any) -> Any:
        """One image as float32 in this form; integers, as 0..255, become 0..1.

        Downsizing smooths first, against aliasing.
        """
        import tensorflow as tf

        levels = image.dtype.max if image.dtype.is_integer else 1.0
        image = tf.cast(image, tf.float32) / levels
        if self.channels == 1 and image.shape[-1] == 3:
            image = tf.image.rgb_to_grayscale(image)
        if self.channels == 3 and image.shape[-1] == 1:
            image = tf.image.grayscale_to_rgb(image)
        if self.inner is not None:
            image = tf.image.resize(image, (self.inner, self.inner), antialias=True)
        edge = [self.border, self.border]
        return tf.pad(image, [edge, edge, [0, 0]])

    def of_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """One image as `of` gives it, from an array and as an array."""
        import tensorflow as tf

        with tf.device("CPU"):
            return self.of(tf.constant(pixels)).numpy()


def collected(pairs: Any, form: Form, class_names: tuple[str, ...]) -> Images:
    """Reads a tf.data set of `(image, label)` into arrays.

    Args:
        pairs: Images, see `Form.of`, and labels as integers.
        form: The form of the images.
        class_names: The name of each class, by label.

    Raises:
        InputError: No examples, images of different sizes, or data that cannot be read.

    Example:

    >>> import tensorflow as tf
    >>> pairs = tf.data.Dataset.from_tensors((np.full((2, 2, 1), 255, "uint8"), 0))
    >>> collected(pairs, Form(border=1), ("white",)).images[0, :, :, 0].tolist()[1]
    [0.0, 1.0, 1.0, 0.0]
    """
    import tensorflow as tf

    ready = pairs.take(form.limit or -1).map(
        lambda image, label: (form.of(image), tf.cast(label, tf.int64)), num_parallel_calls=2
    )
    one_size = ready.element_spec[0].shape.is_fully_defined()
    if one_size:  # many at once: handing over an example takes as long as bringing it into form
        ready = ready.batch(TOGETHER)
    try:
        examples = list(ready.as_numpy_iterator())
    except tf.errors.DataLossError as error:
        raise InputError(f"Expected data that can be read. Received: {error.message}") from None
    if not examples:
        raise InputError("Expected at least one example. Received: an empty split")
    sizes = set() if one_size else {image.shape for image, _ in examples}
    if len(sizes) > 1:
        raise fail(
            "image_size",
            f"to be given for images of {len(sizes)} sizes, such as {sorted(sizes)[:2]}",
            form.image_size,
        )
    parts = zip(*examples, strict=True)
    images, labels = (np.concatenate(part) if one_size else np.stack(part) for part in parts)
    return Images(images, labels, class_names)


def check_positions(positions: Any) -> np.ndarray:
    """Positions as an int64 array; raises `InputError` unless each is at least 0 and given once.

    Example:

    >>> check_positions([3, 1]).tolist()
    [3, 1]
    """
    rows = np.asarray(positions, np.int64)
    if rows.ndim != 1 or not len(rows) or rows.min() < 0 or len(np.unique(rows)) < len(rows):
        raise fail("positions", "to be distinct whole numbers of at least 0", positions)
    return rows


def at_positions(data: Any, rows: np.ndarray) -> Any:
    """The elements of a tf.data set at some positions, in its own order.

    Example:

    >>> import tensorflow as tf
    >>> chosen = at_positions(tf.data.Dataset.range(10, 20), np.array([7, 2]))
    >>> [int(value) for value in chosen]
    [12, 17]
    """
    import tensorflow as tf

    wanted = np.zeros(int(rows.max()) + 1, bool)
    wanted[rows] = True
    table = tf.constant(wanted)
    chosen = data.take(len(wanted)).enumerate().filter(lambda row, _: table[row])
    return chosen.map(lambda _, element: element)
