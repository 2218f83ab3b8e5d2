"""The answer of `tfbn.choose`: a recommendation, the table behind it, and why."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tfbn.choosing.options import OPTIONS
from tfbn.utils.paired import Difference, difference, holm
from tfbn.utils.text_tables import text_table
from tfbn.utils.words import counted

if TYPE_CHECKING:
    import pandas as pd

_CLOSE = 0.005  # options within half a point of the best count as equally good
Repeat = tuple[Mapping[str, float], Mapping[str, np.ndarray]]


class Named(Protocol):
    """The possible recommendations."""

    @property
    def name(self) -> str: ...

    @property
    def says(self) -> str: ...

    @property
    def code(self) -> tuple[str, ...]: ...


@dataclasses.dataclass(frozen=True)
class Tried:
    """One option and its result on images that were not used to choose.

    Attributes:
        name: Of the option.
        says: A description.
        accuracy: Of a converged head in inference mode, in [0, 1].
        difference: To inference mode, paired; None for inference mode itself.
    """

    name: str
    says: str
    accuracy: float
    difference: Difference | None


@dataclasses.dataclass(frozen=True)
class Choice:
    """The recommendation of `tfbn.choose`. Prints as text.

    Attributes:
        recommendation: The name of the option.
        code: The lines that apply it to your own `model`, `layers` and `x_train`.
        reasons: Why, one sentence each.
        tried: The result of each option.
        chosen: The paired difference between the chosen option and inference mode, on images that
            were not used to choose.
        images: How many images were used.
        repeats: How many parts they were divided into.
        seconds: Running time.

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
        headings = ("mode", "accuracy, %", f"minus {self.tried[0].name}, points", "what it is")
        rows = [
            (each.name, f"{100 * each.accuracy:.1f}", str(each.difference or ""), each.says)
            for each in self.tried
        ]
        tried = f"{counted(self.images, 'image')}, each tried once, in {counted(self.repeats, 'part')}"
        end = f"{tried}; {self.seconds:.0f} seconds."
        return "\n".join(
            [
                f"Recommended: {self.recommendation}",
                *(f"  {line}" for line in self.code),
                "",
                text_table(headings, rows, right=headings[1:2]),
                "",
                *self.reasons,
                end,
            ]
        )


def decided(
    repeats: Sequence[Repeat], classes: int, seconds: float, options: Sequence[Named] = OPTIONS
) -> Choice:
    """Computes the recommendation from the results.

    It is the one-standard-error rule of Breiman, Friedman, Olshen and Stone (1984): the first option, which
    is the simplest, unless what was chosen is better by more than one standard error, on
    images that were not used to choose. Where nothing differs, that happens in one of six
    cases; the reasons then say that the interval includes zero.

    Args:
        repeats: For each repeat: the score of each option on the images used to choose, and whether
            it classified each of the held-out images correctly. The first option is in every repeat,
            the others in at least two.
        classes: How many classes there are.
        seconds: Running time.
        options: The candidates. The first one is the baseline that the others have to beat. Among
            options that are as good as the best, the earliest is chosen.

    Example:

    >>> better = np.arange(40) % 4 > 0
    >>> repeat = {o.name: 0.5 + 0.25 * (o.name == "batch") for o in OPTIONS}
    >>> tried = {o.name: better if o.name == "batch" else np.zeros(40, bool) for o in OPTIONS}
    >>> decided([(repeat, tried)] * 3, 2, 1.0).recommendation
    'batch'
    """
    first, names = options[0].name, [option.name for option in options]
    apart = {
        name: [_minus(tried[name], tried[first]) for _, tried in repeats if name in tried]
        for name in names[1:]
    }
    widened = holm(apart)
    picks = [_best(worth, names) for worth, _ in repeats]
    procedure = difference(
        [_minus(tried[pick], tried[first]) for pick, (_, tried) in zip(picks, repeats, strict=True)]
    )
    every = {name: [each for each in repeats if name in each[1]] for name in names}
    worth = {name: float(np.mean([w[name] for w, _ in every[name]])) for name in names}
    better = {name: worth[name] for name in set(picks) - {first}}
    found = _best(better, names) if procedure.mean > procedure.error else first
    right = {name: np.concatenate([tried[name] for _, tried in every[name]]) for name in names}
    rows = tuple(Tried(o.name, o.says, float(right[o.name].mean()), widened.get(o.name)) for o in options)
    code = next(option.code for option in options if option.name == found)
    images = len(right[first])
    reasons = tuple(_reasons(found, first, procedure, widened, picks, images, classes))
    return Choice(found, code, reasons, rows, procedure, images, len(repeats), seconds)


def _minus(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one.astype(int) - other.astype(int)


def _best(worth: Mapping[str, float], names: Sequence[str]) -> str:
    """The best option; among equally good ones, the earliest."""
    best = max(worth.values())
    return next(name for name in names if worth.get(name, -1.0) >= best - _CLOSE)


def _reasons(
    found: str,
    first: str,
    procedure: Difference,
    widened: dict[str, Difference],
    picks: list[str],
    images: int,
    classes: int,
) -> list[str]:
    worse = [name for name, each in widened.items() if each.sign < 0]
    where = f"on images that were not used to choose, the chosen mode is {procedure} points"
    if found != first and procedure.sign > 0:
        said = [f"{where[0].upper()}{where[1:]} better than {first}."]
    elif found != first:
        said = [
            f"Likely, not shown: {where} from {first}, more than one standard error "
            f"({100 * procedure.error:.1f}), but these data cannot exclude that there is no difference."
        ]
    elif len(worse) == len(widened):
        said = ["All others are worse."]
    else:
        said = [f"No difference that these data can show: {where} from {first}."]
    if len(set(picks)) > 1:
        said.append(f"The parts chose differently ({', '.join(picks)}).")
    if worse and len(worse) < len(widened):
        said.append(f"Worse than {first}: {', '.join(worse)}.")
    if images < 20 * classes:
        said.append(f"{images} images of {classes} classes are few: only large differences can show.")
    return said
