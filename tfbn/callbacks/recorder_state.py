"""What a `DriftRecorder` needs, beside its log, to record on in another process."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np

from tfbn.statistics.snapshots import Snapshot, Statistics

NAME = "recorder.npz"
VERSION = 1


@dataclasses.dataclass(frozen=True)
class RecorderState:
    """Where a recorder is.

    Attributes:
        reference: Where drift is measured from.
        step: Steps done.
        last_recorded: The last step that has a row; -1 if none has.
        next_epoch: The epoch that comes next.
        summaries: What `tfbn.summary.writing.Writer.save` gave; empty without TensorBoard.

    Example:

    >>> reference = {"bn": Statistics(np.zeros(2), np.ones(2), epsilon=1e-3)}
    >>> RecorderState(reference, step=7, last_recorded=6, next_epoch=1, summaries={}).save(folder)
    >>> RecorderState.load(folder).step
    7
    """

    reference: Snapshot
    step: int
    last_recorded: int
    next_epoch: int
    summaries: dict[str, int]

    def save(self, folder: str | os.PathLike) -> None:
        """Writes it into a folder."""
        about = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "reference"}
        layers = [(path, len(s.mean), s.epsilon) for path, s in self.reference.items()]
        np.savez(
            Path(folder) / NAME,
            about=np.array(json.dumps({"version": VERSION, "layers": layers, **about})),
            mean=np.concatenate([s.mean for s in self.reference.values()]),
            variance=np.concatenate([s.variance for s in self.reference.values()]),
        )

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "RecorderState":
        """Reads what `save` wrote; runs no code that a file may hold.

        Raises:
            OSError: There is no such file.
            ValueError: It is damaged or of another version.
        """
        with np.load(Path(folder) / NAME, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            if about.pop("version") != VERSION:
                raise ValueError(f"not of version {VERSION}")
            layers = about.pop("layers")
            ends = np.cumsum([size for _, size, _ in layers])[:-1]
            means, variances = (np.split(arrays[name], ends) for name in ("mean", "variance"))
        reference = {
            path: Statistics(mean, variance, epsilon)
            for (path, _, epsilon), mean, variance in zip(layers, means, variances, strict=True)
        }
        return cls(reference, **about)
