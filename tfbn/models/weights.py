"""Weights for a network that was just built: from a file, or packaged with tfbn."""

import contextlib
import os
import re
import warnings
from pathlib import Path

import keras

from tfbn.utils.validation import InputError, fail

PACKAGED = Path(__file__).parent / "pretrained_weights"
SUFFIXES = (".weights.h5", ".keras")


def packaged(network: str) -> dict[str, Path]:
    """The weights of a network that come with tfbn.

    The file `<network>_<data set>_<seed>.weights.h5` has the name `<data set>-<seed>`;
    seed 0 is also available as `<data set>`.

    Args:
        network: A name of `tfbn.models.names()`.

    Returns:
        A dict from the name, such as `"mnist5k"` or `"mnist5k-3"`, to the file.

    Example:

    >>> packaged("resnet1202")
    {}
    """
    found = {}
    for path in sorted(PACKAGED.glob(f"{network}_*.weights.h5")):
        match = re.fullmatch(rf"{re.escape(network)}_(\w+)_(\d+)\.weights\.h5", path.name)
        if match:
            data_set, seed = match[1], int(match[2])
            found[f"{data_set}-{seed}"] = path
            if seed == 0:
                found[data_set] = path
    return dict(sorted(found.items()))


def find_weights(weights: str | os.PathLike | None, network: str) -> Path | None:
    """The file that `weights` stands for; raises if there is none.

    Args:
        weights: None, a path that ends in `.weights.h5` or `.keras`, or the name of
            packaged weights.
        network: The network's name in `tfbn.models`.

    Returns:
        The path of a file that exists, or None.
    """
    if weights is None:
        return None
    if isinstance(weights, os.PathLike) or (isinstance(weights, str) and _is_path(weights)):
        path = Path(weights)
        if not path.name.endswith(SUFFIXES):
            raise fail("weights", f"to be a file ending in {' or '.join(SUFFIXES)}", str(weights))
        if not path.is_file():
            raise fail("weights", "to be a file that exists", str(weights))
        return path
    known = packaged(network)
    if not isinstance(weights, str) or weights not in known:
        listed = f"one of {list(known)}" if known else f"(there are none for {network})"
        raise fail(
            "weights",
            f"to be None, a path ending in {' or '.join(SUFFIXES)}, or packaged weights {listed}",
            weights,
        )
    return known[weights]


def _is_path(weights: str) -> bool:
    return weights.endswith((".h5", ".hdf5", ".keras")) or os.sep in weights or "/" in weights


def load(model: keras.Model, body: keras.Model, path: Path) -> None:
    """Loads a file into a new network. Of a `.keras` file only the weights are read, no code.

    The body (stem and stages) must fit the file layer by layer. The head is loaded too
    if it fits; if the file has other classes or no head, the head stays as it was
    initialized.

    Args:
        model: The network.
        body: The part of it before the head, as a model that shares its layers.
        path: A `.weights.h5` or `.keras` file of a network of the same architecture.

    Raises:
        ValueError: The file cannot be read, or the body does not fit.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's warnings repeat the errors below, or the docs
        try:
            body.load_weights(str(path))
        except Exception as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise InputError(
                f"Expected `weights` to be a file with weights that fit {model.name} with "
                f"input_shape={model.input_shape[1:]} (stem and stages). "
                f"Received: weights={str(path)!r} ({reason})"
            ) from error
        if len(model.weights) == len(body.weights):
            return
        # The body has just been loaded, so an error can only mean the head.
        with contextlib.suppress(ValueError):
            model.load_weights(str(path))
