"""Findings of a run, for the BatchNorm tab."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tfbn.diagnosis.finding import Finding
from tfbn.summary import tags
from tfbn.summary.event_file import EventFile
from tfbn.summary.plugin_values import json_value, summary
from tfbn.utils.validation import fail

FILE_SUFFIX = ".tfbn_findings"
MOST = 200


def findings(log_dir: str | os.PathLike, found: Iterable[Any]) -> None:
    """Writes the faults found in a run; replaces what an earlier call wrote.

    The BatchNorm tab marks each finding at its step, on the heat map and on the curves of its
    layer, and shows cause and remedy.

    Args:
        log_dir: The run's folder, the one that `tfbn.DriftRecorder` or `tfbn.summary.writer` writes to.
        found: All findings of the run until now, as those of `tfbn.Doctor`, at most 200; empty
            removes the earlier ones. One that concerns several layers appears at each of them.

    Raises:
        ValueError: An item is not a finding, or there are more than 200.

    Example:

    >>> cause, remedy = "A statistic became NaN.", "Lower the learning rate."
    >>> nan = tfbn.summary.Finding("nan", ("stem/bn",), None, None, cause, remedy, step=3)
    >>> tfbn.summary.findings(folder, [nan])
    >>> len(list(folder.glob("*.tfbn_findings")))
    1
    """
    listed = [one for finding in found for one in _by_layer(finding)]
    if len(listed) > MOST:
        raise fail("found", f"to be at most {MOST} findings, counted at each layer", len(listed))
    earlier = list(Path(log_dir).glob(f"*{FILE_SUFFIX}"))
    content = {"version": tags.VERSION, "findings": listed}
    step = max((one["step"] for one in listed), default=0)
    events = EventFile(log_dir, FILE_SUFFIX)
    events.add(step, summary(json_value(tags.FINDINGS, content)))
    events.close()
    for path in earlier:
        path.unlink(missing_ok=True)


def _by_layer(finding: Any) -> list[dict[str, Any]]:
    if not isinstance(finding, Finding):
        raise fail("found", "to hold findings, of tfbn.Doctor or tfbn.summary.Finding", finding)
    return finding.at_layers()
