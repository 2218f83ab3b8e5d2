"""The description of a fit: its layers in order, and their modes."""

from collections.abc import Mapping
from typing import Any

from tfbn.layers.modes import Mode
from tfbn.statistics.snapshots import Snapshot
from tfbn.summary import tags


def about_fit(reference: Snapshot, modes: Mapping[str, Mode], first_step: int, every: int) -> dict[str, Any]:
    """Plain data for JSON; a mode that is not known has three nulls.

    Args:
        reference: What drift is measured from.
        modes: By path.
        first_step: Steps done before the fit.
        every: Steps between two recorded rows.

    Example:

    >>> from tfbn.statistics.snapshots import Statistics
    >>> about = about_fit({"bn": Statistics(np.zeros(2), np.ones(2), 1e-3)}, {}, first_step=0, every=1)
    >>> about["layers"][0]["channels"], about["layers"][0]["updates"]
    (2, None)
    """
    return {
        "version": tags.VERSION,
        "first_step": first_step,
        "every": every,
        "units": tags.UNITS,
        "layers": [
            {
                "path": path,
                "channels": len(statistics.mean),
                "epsilon": statistics.epsilon,
                **_of_mode(modes.get(path)),
            }
            for path, statistics in reference.items()
        ],
    }


def _of_mode(mode: Mode | None) -> dict[str, Any]:
    if mode is None:
        return {"normalizes_by": None, "updates": None, "trains": None}
    return {"normalizes_by": mode.normalizes_by, "updates": mode.updates, "trains": mode.trains}
