"""The options and the position of a recorder."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tfbn.statistics.snapshots import Statistics
from tfbn.utils.batches import are_batches, is_arrays
from tfbn.utils.files import can_be_written
from tfbn.utils.validation import check_at_least, fail


@dataclasses.dataclass
class Position:
    """The position of a recorder, across all of its fits.

    Attributes:
        step: Steps done before the fit that is under way.
        last_recorded: The last step that has a row, or -1.
        epoch: The current epoch.
        next_epoch: The epoch after the finished ones.
        without_probe: Whether measuring the probe has failed.
    """

    step: int = 0
    last_recorded: int = -1
    epoch: int = 0
    next_epoch: int = 0
    without_probe: bool = False


@dataclasses.dataclass(frozen=True)
class RecordingOptions:
    """The options of a recorder; see `DriftRecorder`."""

    every: int = 1
    probe: Any = None
    probe_labels: Any = None
    probe_every: int | None = None

    def __post_init__(self) -> None:
        check_at_least("every", self.every, 1)
        if self.probe_every is not None:
            check_at_least("probe_every", self.probe_every, 1)
        if self.probe is not None and not is_arrays(self.probe) and not are_batches(self.probe):
            raise fail("probe", "to be a batch of inputs", self.probe)
        for name in ("probe_every", "probe_labels"):
            if getattr(self, name) is not None and self.probe is None:
                raise fail("probe", f"to be a batch of inputs, since {name} is set", self.probe)
        if self.probe_labels is not None and len(set(map(_examples, (self.probe, self.probe_labels)))) > 1:
            what = f"to be the targets of the probe, which has {_examples(self.probe)} examples"
            raise fail("probe_labels", what, np.shape(self.probe_labels))


def check_output(log_dir: Any, reference: Any, **flags: Any) -> None:
    """Raises unless the folder can be written, the reference is a snapshot and the flags are flags."""
    if not isinstance(log_dir, str | os.PathLike) or not can_be_written(log_dir):
        raise fail("log_dir", "to be a folder that can be written", log_dir)
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise fail(name, "to be True or False", value)
    is_snapshot = isinstance(reference, Mapping) and all(
        isinstance(each, Statistics) for each in reference.values()
    )
    if reference is not None and not is_snapshot:
        raise fail("reference", "to be statistics by layer, from `tfbn.statistics.take`", reference)


def _examples(batch: Any) -> int | None:
    shape = np.shape(keras.tree.flatten(batch)[0])
    return shape[0] if shape else None
