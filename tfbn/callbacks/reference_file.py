"""The reference of a drift log, stored with it so that another process can continue the log."""

import json
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from tfbn.callbacks.log_files import REFERENCE
from tfbn.statistics.snapshots import Snapshot, Statistics
from tfbn.utils.files import written_whole


def save(folder: str | os.PathLike, reference: Snapshot) -> None:
    """Writes a reference into the folder of a log, atomically.

    Example:

    >>> save(folder, {"bn": Statistics(np.zeros(2), np.ones(2), epsilon=1e-3)})
    >>> load(folder)["bn"].variance.tolist()
    [1.0, 1.0]
    """
    layers = [(path, len(s.mean), s.epsilon) for path, s in reference.items()]
    with written_whole(Path(folder) / REFERENCE) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            layers=np.array(json.dumps(layers)),
            mean=np.concatenate([s.mean for s in reference.values()]),
            variance=np.concatenate([s.variance for s in reference.values()]),
        )


def load(folder: str | os.PathLike) -> Snapshot | None:
    """Reads what `save` wrote, without running code from the file; None if it cannot be read."""
    try:
        # Opened here, since `np.load` leaves a damaged file open.
        with (Path(folder) / REFERENCE).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            layers = json.loads(str(arrays["layers"]))
            ends = np.cumsum([size for _, size, _ in layers])[:-1]
            means, variances = (np.split(arrays[name], ends) for name in ("mean", "variance"))
        return {
            path: Statistics(mean, variance, epsilon)
            for (path, _, epsilon), mean, variance in zip(layers, means, variances, strict=True)
        }
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error):
        return None
