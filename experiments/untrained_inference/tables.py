"""Tables of BatchNorm before and during training."""

import math
from typing import Any

import numpy as np
import pandas as pd

from ..lab.differences import points
from ..lab.intervals import Interval

MODES = {"inference": "inference mode", "batch": "normalized by the batch"}


def scale_table(deep: pd.DataFrame, scales: pd.DataFrame) -> pd.DataFrame:
    """One row per network: scale at the first and last layer in both modes, and the closed form's check."""
    rows = []
    for network in dict.fromkeys(deep.arm):
        of_network, row = scales[scales.arm == network], {"network": network}
        row["layers"] = str(int(of_network.number.max()))
        for mode in MODES:
            rms = of_network[of_network["mode"] == mode].groupby("number").rms_in.mean()
            row[f"first to last, {mode}"] = f"{rms.iloc[0]:.3g} to {rms.iloc[-1]:.3g}"
            spread = deep[deep.arm == network][f"spread_{mode}"]
            row[f"largest / least, {mode}"] = f"{spread.mean():.3g}"
        row["off x / sqrt(1 + epsilon)"] = f"{deep[deep.arm == network].identity_error.max():.1e}"
        rows.append(row)
    return pd.DataFrame(rows)


def usable_table(config: Any, trained: pd.DataFrame) -> pd.DataFrame:
    """One row per momentum: steps until usable in both phases, with the closed form for comparison."""
    rows = []
    for arm in dict.fromkeys(trained.arm):
        part, momentum = trained[trained.arm == arm], momentum_of(arm)
        rows.append(
            {
                "momentum": f"{momentum:g}",
                "weights train": steps_text(part.usable_training, config.steps),
                "weights held": steps_text(part.usable_held, config.steps),
                "1 - momentum^steps, end": f"{1 - momentum**config.steps:.3f}",
                "closed form, 95 %": f"{steps_until(momentum, 0.05):.0f}",
                "closed form missed by": f"{part.closed_form_error.mean():.3f}",
            }
        )
    return pd.DataFrame(rows)


def steps_until(momentum: float, left: float) -> float:
    """Steps until a share of the distance is left: `log(left) / log(momentum)`; infinite at momentum 1.

    >>> round(steps_until(0.9, 0.05))
    28
    """
    if momentum in (0.0, 1.0):
        return 1.0 if momentum == 0.0 else math.inf
    return math.log(left) / math.log(momentum)


def gap(part: pd.DataFrame) -> Interval:
    """Test accuracy in inference mode minus normalized by the batch, of one arm at one step."""
    runs = part.set_index("seed")
    return points(runs.accuracy_inference, runs.accuracy_batch)


def gap_table(steps: pd.DataFrame) -> pd.DataFrame:
    """One row per phase and look: the gap between the modes for each momentum, with its interval."""
    rows = []
    for phase, step in dict.fromkeys(zip(steps.phase, steps.step, strict=True)):
        part = steps[(steps.phase == phase) & (steps.step == step)]
        gaps = {f"{momentum_of(a):g}": gap(part[part.arm == a]).text() for a in dict.fromkeys(part.arm)}
        rows.append({"phase": phase, "step": str(step), **gaps})
    return pd.DataFrame(rows)


def momentum_of(arm: str) -> float:
    """The momentum that an arm's name says."""
    return float(arm.removeprefix("momentum_"))


def steps_text(usable: pd.Series, steps: int) -> str:
    """The median over seeds with the range; seeds that never get there count as later than the end."""
    values = np.sort(usable.fillna(np.inf))
    low, middle, high = (
        f"{v:g}" if np.isfinite(v) else f"> {steps}" for v in (values[0], np.median(values), values[-1])
    )
    return middle if low == high else f"{middle} ({low} to {high})"
