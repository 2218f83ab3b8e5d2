"""The answer of `tfbn.choose`: a recommendation, the table behind it, and why."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfbn.choosing.options import FIRST, OPTIONS
from tfbn.utils.paired import Difference, difference, holm

if TYPE_CHECKING:
    import pandas as pd

_CLOSE = 0.005  # options within half a point of the best are as good as it


@dataclasses.dataclass(frozen=True)
class Tried:
    """One option, as it did on the images that the choice was not made by.

    Attributes:
        name: Of the option.
        says: What it is.
        accuracy: Of a converged head in inference mode, in [0, 1].
        difference: To inference mode, paired; None for inference mode itself.
    """

    name: str
    says: str
    accuracy: float
    difference: Difference | None


@dataclasses.dataclass(frozen=True)
class Choice:
    """What `tfbn.choose` recommends. Prints as text.

    Attributes:
        recommendation: The name of the option.
        code: The lines that set it, with `model`, `layers` and `x_train` of your own.
        reasons: Why, one sentence each.
        tried: All options.
        chosen: The paired difference of what was chosen to inference mode, on images that
            had no say in the choice.
        images: How many there were.
        repeats: In how many parts.
        seconds: What it took.

    Example: see `tfbn.choose`.
    """

    recommendation: str
    code: tuple[str, ...]
    reasons: tuple[str, ...]
    tried: tuple[Tried, ...]
    chosen: Difference
    images: int
    repeats: int
    seconds: float

    @property
    def table(self) -> "pd.DataFrame":
        """A row for each option: accuracy and the difference to inference mode, in percent and points."""
        import pandas as pd

        def row(tried: Tried) -> dict[str, object]:
            found = tried.difference
            low, high = (np.nan, np.nan) if found is None else (100 * found.low, 100 * found.high)
            mean = np.nan if found is None else 100 * found.mean
            values = {"option": tried.name, "accuracy": 100 * tried.accuracy, "difference": mean}
            return {**values, "low": low, "high": high, "says": tried.says}

        return pd.DataFrame([row(tried) for tried in self.tried])

    def __str__(self) -> str:
        width = max(len(tried.name) for tried in self.tried)
        head = f"{'':{width}}  accuracy  difference to {FIRST.name} in points, 95 %"
        lines = [f"Recommended: {self.recommendation}", *(f"  {line}" for line in self.code), "", head]
        for tried in self.tried:
            apart = "" if tried.difference is None else str(tried.difference)
            lines.append(
                f"{tried.name:{width}}  {100 * tried.accuracy:6.1f} %  {apart:24}  {tried.says}".rstrip()
            )
        lines += ["", *self.reasons]
        lines.append(
            f"{self.images} images, each tried once, in {self.repeats} parts; {self.seconds:.0f} seconds."
        )
        return "\n".join(lines)


def decided(
    repeats: Sequence[tuple[dict[str, float], dict[str, np.ndarray]]],
    model: str,
    classes: int,
    seconds: float,
) -> Choice:
    """The recommendation that follows from what was tried.

    Args:
        repeats: For each: what each option is worth by the images to choose by, and
            whether it was right on each of the images to try on.
        model: The model's name.
        classes: How many there were.
        seconds: What it took.

    Example:

    >>> better = np.arange(40) % 4 > 0
    >>> repeat = {o.name: 0.5 + 0.25 * (o.name == "batch") for o in OPTIONS}
    >>> tried = {o.name: better if o.name == "batch" else np.zeros(40, bool) for o in OPTIONS}
    >>> decided([(repeat, tried)] * 3, "mine", 2, 1.0).recommendation
    'batch'
    """
    apart = {
        option.name: [_minus(tried[option.name], tried[FIRST.name]) for _, tried in repeats]
        for option in OPTIONS
        if option is not FIRST
    }
    widened = holm(apart)
    picks = [_best(worth) for worth, _ in repeats]
    nothing = np.zeros
    procedure = difference(
        [
            apart[pick][k] if pick != FIRST.name else nothing(len(repeats[k][1][pick]))
            for k, pick in enumerate(picks)
        ]
    )
    worth = {o.name: float(np.mean([worth[o.name] for worth, _ in repeats])) for o in OPTIONS}
    found = (
        _best({name: worth[name] for name in set(picks) - {FIRST.name}}) if procedure.sign > 0 else FIRST.name
    )
    every = {o.name: np.concatenate([tried[o.name] for _, tried in repeats]) for o in OPTIONS}
    rows = tuple(Tried(o.name, o.says, float(every[o.name].mean()), widened.get(o.name)) for o in OPTIONS)
    code = next(option.code for option in OPTIONS if option.name == found)
    images = len(every[FIRST.name])
    reasons = tuple(_reasons(found, procedure, widened, picks, images, classes))
    return Choice(found, code, reasons, rows, procedure, images, len(repeats), seconds)


def _minus(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one.astype(int) - other.astype(int)


def _best(worth: dict[str, float]) -> str:
    """The best option; of those as good as it, the one that comes first in `OPTIONS`."""
    best = max(worth.values())
    return next(o.name for o in OPTIONS if worth.get(o.name, -1.0) >= best - _CLOSE)


def _reasons(
    found: str,
    procedure: Difference,
    widened: dict[str, Difference],
    picks: list[str],
    images: int,
    classes: int,
) -> list[str]:
    worse = [name for name, each in widened.items() if each.sign < 0]
    if found != FIRST.name:
        said = [
            f"On images that had no say in the choice, what was chosen is {procedure} points better than "
            f"{FIRST.name}."
        ]
    elif len(worse) == len(widened):
        said = ["All others are worse."]
    else:
        said = [
            f"No difference that these data can show: what was chosen is {procedure} points from "
            f"{FIRST.name} on images that had no say in the choice."
        ]
    if len(set(picks)) > 1:
        said.append(f"The parts chose differently ({', '.join(picks)}).")
    if worse and len(worse) < len(widened):
        said.append(f"Worse than {FIRST.name}: {', '.join(worse)}.")
    if images < 20 * classes:
        said.append(f"{images} images of {classes} classes are few: only large differences can show.")
    return said
