"""Findings of a run, for the BatchNorm tab."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tfbn.summary import tags
from tfbn.summary.event_file import EventFile
from tfbn.summary.finding import Finding
from tfbn.summary.plugin_values import json_value, summary
from tfbn.utils.validation import fail

FILE_SUFFIX = ".tfbn_findings"
MOST = 200
SHARED = ("name", "measured", "expected", "cause", "remedy", "link")


def findings(log_dir: str | os.PathLike, found: Iterable[Any]) -> None:
    """Writes the faults found in a run; replaces what an earlier call wrote.

    The BatchNorm tab marks each finding at its step, on the heat map and on the curves of its
    layer, and shows cause and remedy.

    Args:
        log_dir: The run's folder, the one that `tfbn.DriftRecorder` or `tfbn.summary.writer` writes to.
        found: All findings of the run until now, `Finding`s or those of `tfbn.Doctor`, at most 200;
            empty removes the earlier ones. One that concerns several layers appears at each of
            them.

    Raises:
        ValueError: An item is not a finding, or there are more than 200.

    Example:

    >>> nan = tfbn.summary.Finding("nan", 3, "A statistic became NaN.", "Lower the learning rate.", "stem/bn")
    >>> tfbn.summary.findings(folder, [nan])
    >>> len(list(folder.glob("*.tfbn_findings")))
    1
    """
    found = [one for finding in found for one in _by_layer(finding)]
    if len(found) > MOST:
        raise fail("found", f"to be at most {MOST} findings, counted at each layer", len(found))
    earlier = list(Path(log_dir).glob(f"*{FILE_SUFFIX}"))
    content = {"version": tags.VERSION, "findings": [finding.as_dict() for finding in found]}
    step = max((finding.step for finding in found), default=0)
    events = EventFile(log_dir, FILE_SUFFIX)
    events.add(step, summary(json_value(tags.FINDINGS, content)))
    events.close()
    for path in earlier:
        path.unlink(missing_ok=True)


def _by_layer(finding: Any) -> list[Finding]:
    """A finding at each layer that it concerns."""
    if isinstance(finding, Finding):
        return [finding]
    if not all(hasattr(finding, name) for name in (*SHARED, "layers", "step")):
        raise fail("found", "to hold findings, tfbn.summary.Finding or those of tfbn.Doctor", finding)
    shared = {name: getattr(finding, name) for name in SHARED}
    return [Finding(**shared, layer=layer, step=finding.step or 0) for layer in finding.layers or (None,)]
