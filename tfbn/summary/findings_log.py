"""Findings of a run, for the BatchNorm tab."""

import os
from collections.abc import Sequence
from pathlib import Path

from tfbn.summary import tags
from tfbn.summary.event_file import EventFile
from tfbn.summary.finding import Finding
from tfbn.summary.plugin_values import json_value, summary
from tfbn.utils.validation import fail

FILE_SUFFIX = ".tfbn_findings"
MOST = 200


def findings(log_dir: str | os.PathLike, found: Sequence[Finding]) -> None:
    """Writes what was found wrong in a run; what an earlier call wrote is replaced.

    The BatchNorm tab marks each finding at its step, on the heat map and on the curves of its
    layer, and shows cause and remedy.

    Args:
        log_dir: The run's folder, the one that `tfbn.DriftRecorder` or `tfbn.summary.writer` writes to.
        found: All findings of the run until now, at most 200; empty removes the earlier ones.

    Raises:
        ValueError: An item is no `Finding`, or there are more than 200.

    Example:

    >>> nan = tfbn.summary.Finding("nan", 3, "A statistic became NaN.", "Lower the learning rate.", "stem/bn")
    >>> tfbn.summary.findings(folder, [nan])
    >>> len(list(folder.glob("*.tfbn_findings")))
    1
    """
    found = list(found)
    if not all(isinstance(finding, Finding) for finding in found) or len(found) > MOST:
        raise fail("found", f"to be at most {MOST} of tfbn.summary.Finding", found)
    earlier = list(Path(log_dir).glob(f"*{FILE_SUFFIX}"))
    content = {"version": tags.VERSION, "findings": [finding.as_dict() for finding in found]}
    step = max((finding.step for finding in found), default=0)
    events = EventFile(log_dir, FILE_SUFFIX)
    events.add(step, summary(json_value(tags.FINDINGS, content)))
    events.close()
    for path in earlier:
        path.unlink(missing_ok=True)
