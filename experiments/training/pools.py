"""The images that runs draw from, with all of them in memory or only the drawn ones."""

import contextlib
import dataclasses
import functools
import math
import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfbn.datasets import Form, Images, Listing, Stream, builder, list_folder, load
from tfbn.datasets.folder import StreamFromDisk, read, recognized
from tfbn.utils.validation import InputError

# Runs draw from at most this many images of a TFDS data set.
POOL = 20_000
# Defaults for a TFDS data set; of a folder, all images are used.
USUAL = {"train_images": 300, "test_images": 1000}
# Bytes. A source that is smaller than this is read once and kept.
KEPT = 2**28
# Bytes. Larger draws are streamed from disk, batch by batch.
IN_MEMORY = 2**29
# UCI's digits fill their images; this adds about the border of MNIST's.
BORDERS = {"uci_digits": 4}


def name_of(dataset: str, folder: str) -> str:
    """What messages and tables call a source."""
    return Path(folder).name if folder else dataset


@dataclasses.dataclass(frozen=True)
class Source:
    """Where images come from, and in which form.

    Attributes:
        dataset: A TFDS name; not used if there is a folder.
        folder: A folder of class folders, or "".
        shape: Height, width and channels.
        border: Empty pixels around each image; -1 for the data set's usual.
        download: Whether TFDS may fetch.
        skip_unreadable: Whether to skip files that cannot be read.
    """

    dataset: str
    folder: str
    shape: tuple[int, int, int]
    border: int = -1
    download: bool = False
    skip_unreadable: bool = False

    @property
    def name(self) -> str:
        """For messages and tables."""
        return name_of(self.dataset, self.folder)

    @property
    def form(self) -> Form:
        """The form of each image.

        Raises:
            InputError: The options do not give a valid form.
        """
        size, width, channels = self.shape
        if size != width:
            raise InputError(f"Expected square images. Received: height={size}, width={width}")
        usual = 0 if self.folder else BORDERS.get(self.dataset, 0)
        border = usual if self.border < 0 else self.border
        if 2 * border >= size:
            raise InputError(
                f"Expected `border` to leave room for the image. Received: border={border}, image_size={size}"
            )
        return Form(size, border, channels)

    def bytes_of(self, images: int) -> int:
        """The size of this many images in memory, as float32."""
        return 4 * images * math.prod(self.shape)


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """The images that a run can draw from.

    Attributes:
        class_names: The name of each class, by label.
        size: How many images there are.
        get: Images and labels at given positions. The images are float32 in [0, 1], an
            array or, if they are many, a `tfbn.datasets.Stream`. Files that cannot be read
            are missing where the source allows that.
        labels: Of all images; None where they are not known before the images are read.
        splits: The positions in each split that the source itself has.
    """

    class_names: tuple[str, ...]
    size: int
    get: Callable[[np.ndarray], tuple[Any, np.ndarray]]
    labels: np.ndarray | None = None
    splits: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


@functools.lru_cache(maxsize=2)
def pool(source: Source) -> Pool:
    """The images of a source.

    Raises:
        InputError: They are not available.
    """
    form = source.form
    found = _of_folder(source, form) if source.folder else _of_dataset(source, form)
    if len(found.class_names) < 2:
        raise InputError(
            f"Expected images of at least two classes. Received: {found.class_names} in {source.name}"
        )
    return found


@functools.lru_cache(maxsize=4)
def listing(folder: str) -> Listing:
    """The listing of a folder, read once per process."""
    return list_folder(folder)


def _of_folder(source: Source, form: Form) -> Pool:
    found = listing(source.folder)
    kept = _Kept(found, form, source.skip_unreadable)

    def get(rows: np.ndarray) -> tuple[Any, np.ndarray]:
        if source.bytes_of(len(found.files)) <= KEPT:
            return kept.get(rows)
        files = [found.files[row] for row in rows]
        if source.bytes_of(len(rows)) > IN_MEMORY:
            good = recognized(files, source.skip_unreadable)
            return Stream([files[row] for row in good], form), found.labels[rows][good]
        images, good = read(files, form, source.skip_unreadable)
        return images, found.labels[rows][good]

    return Pool(found.class_names, len(found.files), get, found.labels, found.splits)


class _Kept:
    """All images of a small folder, read at the first request."""

    def __init__(self, found: Listing, form: Form, skip_unreadable: bool):
        self._found, self._form, self._skip = found, form, skip_unreadable
        self._images: np.ndarray | None = None
        self._place = np.arange(0)

    def get(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._images is None:
            with _said_by_the_parent():
                self._images, good = read(self._found.files, self._form, self._skip)
            self._place = np.full(len(self._found.files), -1)
            self._place[good] = np.arange(len(good))
        rows = rows[self._place[rows] >= 0]
        return self._images[self._place[rows]], self._found.labels[rows]


@contextlib.contextmanager
def _said_by_the_parent() -> Iterator[None]:
    """In a worker, leaves out warnings: the process that started it has read the same files, and said so."""
    with warnings.catch_warnings():
        if multiprocessing.parent_process() is not None:
            warnings.simplefilter("ignore")
        yield


def _of_dataset(source: Source, form: Form) -> Pool:
    size, _, channels = source.shape
    form_of: dict[str, Any] = {"image_size": size, "border": form.border, "channels": channels}
    examples = builder(source.dataset, download=source.download).info.splits
    total = min(POOL, examples["train"].num_examples) if "train" in examples else 0
    if not total or source.bytes_of(total) <= KEPT:
        images = load(source.dataset, download=source.download, limit=POOL, **form_of)
        return _of_images(images)

    def part(rows: np.ndarray) -> Images:
        return load(source.dataset, download=source.download, positions=rows, **form_of)

    def get(rows: np.ndarray) -> tuple[Any, np.ndarray]:
        if source.bytes_of(len(rows)) > IN_MEMORY:
            return _on_disk(source, rows, part)
        drawn = part(rows)
        return drawn.images, drawn.labels

    one = load(source.dataset, download=source.download, limit=1, **form_of)
    return Pool(one.class_names, total, get)


def _on_disk(
    source: Source, rows: np.ndarray, part: Callable[[np.ndarray], Images]
) -> tuple[StreamFromDisk, np.ndarray]:
    """Drawn images that are too many for memory: read in parts, and kept in a file."""
    stream, labels = StreamFromDisk(len(rows), source.form), np.zeros(len(rows), np.int64)
    step = max(1, IN_MEMORY // source.bytes_of(1))
    for start in range(0, len(rows), step):
        drawn = part(rows[start : start + step])
        stream.fill(start, drawn.images)
        labels[start : start + step] = drawn.labels
    return stream, labels


def _of_images(images: Images) -> Pool:
    return Pool(
        images.class_names,
        len(images.images),
        lambda rows: (images.images[rows], images.labels[rows]),
        images.labels,
    )
