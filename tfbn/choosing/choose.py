"""Which BatchNormalization mode for a network and data, in a few forward passes."""

import sys
import time
from typing import Any

import keras
import numpy as np

from tfbn.choosing.backbone import backbone
from tfbn.choosing.choice import Choice, decided
from tfbn.choosing.features import Inference, Statistics, by_batch
from tfbn.choosing.heads import check_scikit_learn, cross_validated, held_out_parts, right
from tfbn.choosing.options import FIRST, OPTIONS
from tfbn.utils.validation import check_at_least, fail
from tfbn.utils.words import counted

_HALVES = 2  # of the images: the target's statistics for one come from the other
_FEWEST = 5  # images of a class that is used
_INNER = 2  # folds of the examples used to choose


def choose(
    model: Any,
    x: Any,
    y: Any,
    *,
    up_to: str | None = None,
    batch_size: int = 32,
    repeats: int = 10,
    most_examples: int = 1000,
    seed: int = 0,
    verbose: bool = True,
) -> Choice:
    """Recommends what BatchNormalization of the frozen part should do, before anything is trained.

    The network without its head runs over the images in inference mode, with batch statistics, with
    the target's statistics in place of its own, and with 25, 50 and 75 % mixtures of the two. On each
    set of features a head (logistic regression on standardized features) is trained to convergence.
    The images are divided into `repeats` parts. For each part, the heads and the choice come from the
    other parts alone, and are evaluated on this one, so every image is evaluated once, by a choice
    that did not depend on it. The target's statistics come from the parts in the other half of the
    images: two sets of them, so the number of forward passes does not grow with the number of parts.

    A mode is recommended if choosing it beats inference mode on those images by more than one
    standard error of the paired difference (the one-standard-error rule). If the interval includes
    zero nevertheless, a reason says that the difference is likely, not shown. Otherwise the
    recommendation is `"inference"`, and a reason says that these data show no difference or that all
    other modes are worse. Intervals are 95 %, Student's t over the parts, and never narrower than the
    number of images allows; those of single modes are corrected for multiple comparisons (Holm).

    Short training runs can disagree with converged heads, since they also measure how fast a head
    learns; `tfbn choose FILE --data_dir=... --train` runs them as well.

    Args:
        model: A built Functional or Sequential model, with or without its head. It is not changed.
        x: Images as the model expects them: an array of shape `(n, height, width, channels)`, or an
            object that can be indexed like one, such as a `tfbn.datasets.Stream`.
        y: Integer labels, shape `(n,)`.
        up_to: The frozen part ends after this layer; None: before the last Dense layer.
        batch_size: Number of images over which batch statistics are computed.
        repeats: Number of parts, at least three.
        most_examples: Use at most this many images, drawn over all classes.
        seed: Decides the draw and the parts.
        verbose: Print the progress.

    Returns:
        A `Choice`: `recommendation`, `table`, `reasons`; prints as text.

    Raises:
        InputError: The model or the data are of an unsupported kind, a class has too few images, or
            scikit-learn is not installed. Nothing was changed.

    Example:

    >>> model = tfbn.models.build("resnet8", width=4, input_shape=(8, 8, 1), classes=2)
    >>> x = np.random.default_rng(0).random((40, 8, 8, 1), "float32")
    >>> choose(model, x, np.arange(40) % 2, repeats=3, verbose=False).recommendation
    'inference'
    """
    check_scikit_learn()
    rows, labels = _checked(x, y, batch_size, repeats, most_examples, seed)
    network = backbone(model, up_to)
    started = time.perf_counter()
    parts = held_out_parts(labels, repeats, seed)
    halves = [np.concatenate(parts[half::_HALVES]) for half in range(_HALVES)]
    passes = _Passes(2 + (len(OPTIONS) - 2) * _HALVES, len(rows), verbose)
    features = _features(network, _Drawn(x, rows), halves, batch_size, passes)
    tried = [_tried(labels, parts, k, features[k % _HALVES], seed) for k in range(repeats)]
    return decided(tried, classes=len(np.unique(labels)), seconds=time.perf_counter() - started)


def _checked(
    x: Any, y: Any, batch_size: int, repeats: int, most_examples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the images to use, and their labels."""
    check_at_least("batch_size", batch_size, 1)
    check_at_least("repeats", repeats, 3)
    check_at_least("most_examples", most_examples, 4 * repeats)
    if not hasattr(x, "__len__") or not hasattr(x, "shape"):
        raise fail("x", "to be images in an array, or a tfbn.datasets.Stream", type(x).__name__)
    labels = np.asarray(y)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != len(x):
        raise fail("y", f"to be one integer label for each of the {counted(len(x), 'image')}", np.shape(y))
    rows = np.random.default_rng(seed).permutation(len(labels))[:most_examples]
    names, counts = np.unique(labels[rows], return_counts=True)
    if len(names) < 2:
        raise fail("y", "to name at least two classes", names.tolist())
    # Each class in several parts, so that each is in what a choice is made by and tried on.
    fewest = min(repeats, _FEWEST)
    rows = rows[np.isin(labels[rows], names[counts >= fewest])]
    if len(np.unique(labels[rows])) < 2:
        raise fail("y", f"to have at least {fewest} images in two classes or more", counts.tolist())
    return rows, labels[rows]


class _Drawn:
    """A random selection of the images."""

    def __init__(self, x: Any, rows: np.ndarray):
        self._x, self._rows = x, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, positions: np.ndarray) -> np.ndarray:
        return np.asarray(self._x[self._rows[positions]])


class _Passes:
    """Prints how many forward passes there will be, and their progress."""

    def __init__(self, total: int, images: int, verbose: bool):
        drawn = verbose and (sys.stdout.isatty() or "ipykernel" in sys.modules)  # no progress bar in a file
        self._bar = keras.utils.Progbar(total, unit_name="pass", verbose=int(drawn))
        self._done = 0
        if verbose:
            print(f"{total} forward passes over {counted(images, 'image')}, then heads:")

    def tick(self) -> None:
        """Counts one finished pass."""
        self._done += 1
        self._bar.update(self._done)


def _features(
    network: keras.Model, x: _Drawn, halves: list[np.ndarray], batch_size: int, passes: _Passes
) -> list[dict[str, np.ndarray]]:
    """For the images of each half, features by option; the target's statistics are the other half's."""
    batch, measured = by_batch(network, x, halves, batch_size, passes.tick)
    inference = Inference(network, x, max(32, batch_size))
    own = inference.features()
    passes.tick()
    statistics, every = Statistics(network), []
    with statistics.kept():
        for target in reversed(measured):
            found = {FIRST.name: own, "batch": batch}
            for option in OPTIONS:
                if option.name not in found:
                    statistics.set(target, option.share)
                    found[option.name] = inference.features()
                    passes.tick()
            every.append(found)
    return every


def _tried(
    labels: np.ndarray, parts: list[np.ndarray], repeat: int, features: dict[str, np.ndarray], seed: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The score of each option on the other parts, and whether it is right on the images of this part."""
    held_out = parts[repeat]
    rest = np.concatenate([part for k, part in enumerate(parts) if k != repeat])
    chosen_by, tried_on = {}, {}
    for option in OPTIONS:
        fitted = features[option.name]
        predicted = features["recalibrated"] if option.fits_by_batch else fitted
        chosen_by[option.name] = cross_validated(fitted[rest], labels[rest], _INNER, seed)
        tried_on[option.name] = right(fitted[rest], labels[rest], predicted[held_out], labels[held_out])
    return chosen_by, tried_on
