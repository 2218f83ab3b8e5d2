"""Chooses the folder of a log: a new one, an existing log to continue, or a folder next to it."""

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfbn.callbacks import drift_log, reference_file
from tfbn.callbacks.log_files import (
    CLAIMED,
    bring_up_to_date,
    channels_in,
    clear,
    files_of,
    is_claimed,
    last_step,
    rows_of,
)
from tfbn.statistics.snapshots import Snapshot
from tfbn.summary import writing
from tfbn.utils.validation import InputError

__all__ = ["Place", "decide", "rows_of"]


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder for a log.

    Attributes:
        folder: The folder.
        reference: The reference of the rows that are there; None if there are none.
        step: The last step there.
    """

    folder: Path
    reference: Snapshot | None = None
    step: int = -1


def decide(owner: Any, folder: Path, epoch: int, channels: Mapping[str, int], overwrite: bool) -> Place:
    """Chooses the place for a recorder that begins now.

    Args:
        owner: The recorder.
        folder: The folder given by the user.
        epoch: The number of the epoch that training begins with; above 0 if it is continued.
        channels: The model's layers with their numbers of channels; empty if it is not built.
        overwrite: Whether a log in the folder may be replaced.
    """
    bring_up_to_date(folder)
    if is_claimed(folder, owner) or (files_of(folder) and not overwrite):
        goes_on = epoch > 0 and not is_claimed(folder, owner)
        place = (_to_be_continued(folder, epoch, channels) if goes_on else None) or _next_to(folder, owner)
    else:
        clear(folder)
        writing.clear(folder)
        place = Place(folder)
    CLAIMED[place.folder.resolve()] = owner
    return place


def _to_be_continued(folder: Path, epoch: int, channels: Mapping[str, int]) -> Place | None:
    """The log in the folder, cut where training resumes; None if it is damaged or of another model."""
    reference = reference_file.load(folder)
    if reference is None or list(reference) != list(channels):
        return None
    try:
        if channels_in(folder) != dict(channels):
            return None
        before = last_step(folder)
    except InputError:
        return None
    drift_log.keep_epochs_before(folder, epoch)
    step = last_step(folder)
    replaced = f"; steps {step + 1} to {before} are recorded again" if step < before else ""
    print(f"DriftRecorder: continues the log in {folder} at epoch {epoch}{replaced}")
    return Place(folder, reference, step) if step >= 0 else None


def _next_to(folder: Path, owner: Any) -> Place:
    names = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(1))
    free = next(each for each in names if not files_of(each) and not is_claimed(each, owner))
    print(f"DriftRecorder: {folder} holds another log, so this one goes to {free}")
    writing.clear(free)
    return Place(free)
