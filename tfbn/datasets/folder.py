"""The images of a folder of class folders, as arrays or streamed from disk."""

import concurrent.futures
import copy
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tfbn.datasets.decoding import UnreadableError, check_pillow, decoded, size_of
from tfbn.datasets.images import Form, Images
from tfbn.datasets.listing import list_folder
from tfbn.utils.validation import InputError, fail

_THREADS = 2  # Pillow decodes without Python's lock
_NAMED = 50  # unreadable files to name; the others are counted


def load_folder(
    folder: str | os.PathLike,
    *,
    image_size: int,
    border: int = 0,
    channels: int | None = 3,
    limit: int | None = None,
    split: str | None = None,
    skip_unreadable: bool = False,
) -> Images:
    """Images of a folder that has one folder for each class.

    The class folders may be inside folders named train, val and test, see
    `tfbn.datasets.list_folder`. Transparent parts become white, and photographs are rotated
    according to the camera's orientation.

    Args:
        folder: `folder/<class>/<anything>`, or `folder/<split>/<class>/<anything>`, with
            the suffix .png, .jpg, .jpeg, .bmp, .gif (the first frame),
            .webp, .tif or .tiff, also in folders further down.
        image_size: Height and width in pixels, the border included.
        border: Empty pixels on each side.
        channels: 1 (gray) or 3; None means 3.
        limit: Read at most this many examples, drawn over all classes.
        split: Read `"train"`, `"validation"` or `"test"` only, where the folder has them.
        skip_unreadable: Whether to skip files that cannot be read; a warning names
            them.

    Returns:
        The images, in an order that is random, but the same for the same files.

    Raises:
        InputError: It is not a folder, has no class folders with images or no such split, or
            some files cannot be read: all of them are named.

    Example:

    >>> for name, level in (("dark", 20), ("light", 200)):
    ...     (folder / name).mkdir()
    ...     keras.utils.save_img(folder / name / "1.png", np.full((9, 9, 3), level), scale=False)
    >>> loaded = load_folder(folder, image_size=8)
    >>> loaded.images.shape, loaded.class_names
    ((2, 8, 8, 3), ('dark', 'light'))
    """
    form = Form(image_size, border, channels or 3, limit)
    listing = list_folder(folder)
    if listing.ignored:
        warnings.warn(f"Skipped in {folder}: {'; '.join(listing.ignored)}", stacklevel=2)
    rows = np.arange(len(listing.files))
    if split is not None:
        if split not in listing.splits:
            raise fail("split", f"to be one of {sorted(listing.splits) or 'no splits'} of {folder}", split)
        rows = listing.splits[split]
    # Shuffled, so that a limit draws from all classes.
    rows = rows[np.random.default_rng(0).permutation(len(rows))][:limit]
    images, kept = read([listing.files[row] for row in rows], form, skip_unreadable)
    return Images(images, listing.labels[rows][kept], listing.class_names)


def read(files: Sequence[str], form: Form, skip_unreadable: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Reads image files into one array.

    Args:
        files: The files.
        form: The form of each image; its `image_size` is required.
        skip_unreadable: Whether to skip files that cannot be read.

    Returns:
        `(images, kept)`: float32 in [0, 1], shape `(m, height, width, channels)`, and the
        positions of the `m` files that could be read, int64.

    Raises:
        InputError: Some files cannot be read (all of them are named), or none can.
    """
    check_pillow()
    size = form.image_size or 0
    images = np.zeros((len(files), size, size, form.channels or 3), np.float32)

    def fill(row: int) -> str | None:
        try:
            images[row] = form.of_pixels(decoded(files[row], form.inner or 0))
            return None
        except UnreadableError:
            return files[row]

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as threads:
        failed = [file is not None for file in threads.map(fill, range(len(files)))]
    kept = _kept(files, failed, skip_unreadable)
    return (images if len(kept) == len(files) else images[kept]), kept


def recognized(files: Sequence[str], skip_unreadable: bool = False) -> np.ndarray:
    """The positions of the files that are images by their first bytes; no pixels are decoded.

    Raises:
        InputError: As in `read`.
    """
    check_pillow()
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as threads:
        failed = [size is None for size in threads.map(size_of, files)]
    return _kept(files, failed, skip_unreadable)


def _kept(files: Sequence[str], failed: Sequence[bool], skip_unreadable: bool) -> np.ndarray:
    """The positions of the files that were read; raises or warns for the others."""
    bad = [file for file, is_bad in zip(files, failed, strict=True) if is_bad]
    if bad and not (skip_unreadable and len(bad) < len(files)):
        raise _unreadable(bad, len(files))
    if bad:
        warnings.warn(f"Left out {_listed(bad)}, which cannot be read", stacklevel=4)
    return np.flatnonzero(~np.array(failed, bool))


class Stream:
    """Images that are read from disk as they are needed, with the interface of an array.

    For data sets that do not fit into memory.

    Args:
        files: The files.
        form: The form of each image; its `image_size` is required.
        change: A function of a batch of images in [0, 1] and their positions, such as a shift or
            preprocessing.

    Example:

    >>> keras.utils.save_img(folder / "1.png", np.full((9, 9, 3), 51.0), scale=False)
    >>> stream = Stream([folder / "1.png"] * 3, Form(image_size=4, channels=1))
    >>> len(stream), stream[:2].shape, round(float(stream[[2]].max()), 2)
    (3, (2, 4, 4, 1), 0.2)
    >>> [batch.shape for batch in stream.dataset(batch_size=2).as_numpy_iterator()]
    [(2, 4, 4, 1), (1, 4, 4, 1)]
    """

    def __init__(
        self,
        files: Sequence[str],
        form: Form,
        change: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda images, rows: images,
    ):
        self.files, self.form, self._change = tuple(files), form, change

    def __len__(self) -> int:
        return len(self.files)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The number of images, height, width and channels, as of an array."""
        size = self.form.image_size or 0
        return len(self), size, size, self.form.channels or 3

    def __getitem__(self, rows: slice | Sequence[int] | np.ndarray) -> np.ndarray:
        positions = np.arange(len(self))[rows]
        return np.asarray(self._change(self._read(positions), positions), np.float32)

    def _read(self, positions: np.ndarray) -> np.ndarray:
        return read([self.files[row] for row in positions], self.form)[0]

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> "Stream":
        """The same images with a further change at the end."""
        return self.changed_at(lambda images, rows: change(images))

    def changed_at(self, change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> "Stream":
        """The same with a change that also takes the positions of the images."""
        made, before = copy.copy(self), self._change
        made._change = lambda images, rows: change(before(images, rows), rows)
        return made

    def dataset(self, batch_size: int, positions: Any = None, labels: np.ndarray | None = None) -> Any:
        """A `tf.data.Dataset` of batches of images, or of `(images, labels)`.

        Args:
            batch_size: Images per batch.
            positions: A `tf.data.Dataset` of the positions to read, in order; None: all.
            labels: One for each image of the stream.
        """
        import tensorflow as tf

        if positions is None:
            positions = tf.data.Dataset.range(len(self))
        dtypes = [tf.float32] if labels is None else [tf.float32, labels.dtype]

        def of(rows: Any) -> Any:
            parts = tf.numpy_function(
                lambda rows: [self[rows]] if labels is None else [self[rows], labels[rows]], [rows], dtypes
            )
            images = tf.ensure_shape(parts[0], (None, *self.shape[1:]))
            return images if labels is None else (images, tf.ensure_shape(parts[1], (None,)))

        return positions.batch(batch_size).map(of, num_parallel_calls=1, deterministic=True).prefetch(1)


class StreamFromDisk(Stream):
    """Images that are kept in one temporary file, for sources that can only be read from the start.

    The file is deleted with the last stream that reads from it.

    Args:
        images: Number of images.
        form: The form of each image; its `image_size` is required.

    Example:

    >>> stream = StreamFromDisk(3, Form(image_size=2, channels=1))
    >>> stream.fill(1, np.ones((2, 2, 2, 1)))
    >>> stream[:].sum((1, 2, 3)).tolist(), stream.changed(lambda x: 2 * x)[[2]].max().item()
    ([0.0, 4.0, 4.0], 2.0)
    """

    def __init__(self, images: int, form: Form):
        super().__init__((), form)
        size = form.image_size or 0
        with tempfile.TemporaryFile() as file:
            shape = (images, size, size, form.channels or 3)
            self._images = np.memmap(file, np.float32, "w+", shape=shape)

    def __len__(self) -> int:
        return len(self._images)

    def _read(self, positions: np.ndarray) -> np.ndarray:
        return np.array(self._images[positions])

    def fill(self, start: int, images: np.ndarray) -> None:
        """Stores images, starting at a position."""
        self._images[start : start + len(images)] = images


def _unreadable(bad: Sequence[str], total: int) -> InputError:
    expected = "to hold images that can be read (skip_unreadable skips the others)"
    if len(bad) == 1:
        return fail("data_dir", expected, str(bad[0]))
    return InputError(
        f"Expected `data_dir` {expected}. Received: {len(bad)} of {total} that cannot: {_listed(bad)}"
    )


def _listed(files: Iterable[str]) -> str:
    names = [str(file) for file in files]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
