"""Puts the study's numbers into words, and texts between marks."""

import re
from typing import TYPE_CHECKING

from experiments.lab.intervals import Interval
from experiments.real_scale.rules import Rule
from experiments.real_scale.verdicts import differences

if TYPE_CHECKING:
    import pandas as pd


def between_marks(text: str, blocks: dict[str, str]) -> str:
    """A text with the content of each block between the marks of its name."""
    for name, content in blocks.items():
        begin, end = (f"<!-- {word} {name} -->\n" for word in ("begin", "end"))
        between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        text, number = between.subn(lambda _, new=f"{begin}\n{content}\n\n{end}": new, text)
        if number != 1:
            raise ValueError(f"Expected one place for {name} in the page. Received: {number}")
    return text


def difference_of(
    arms: "pd.DataFrame", condition: str, arm: str, reference: str, measure: str
) -> Interval | None:
    """The difference of two arms under a condition; None if it has not run."""
    part = arms[arms.condition == condition]
    return differences(part, Rule("", arm, reference, (measure,)), measure).get(condition)


def found_in(arms: "pd.DataFrame", condition: str, arm: str, reference: str, measure: str) -> str:
    """A difference in words, with its interval, test images and seeds."""
    change = difference_of(arms, condition, arm, reference, measure)
    assert change is not None, condition
    low, high = change.low, change.high
    numbers = f"{_images(arms, condition, change):,} test images, {change.seeds} seeds"
    if low <= 0 <= high:
        return f"not shown to be better or worse (**{change.text()}** points; {numbers})"
    near, far = sorted((abs(low), abs(high)))
    word = "better" if low > 0 else "worse"
    return f"**{abs(change.mean):.1f} points {word}** [{near:.1f}, {far:.1f}] ({numbers})"


def _images(arms: "pd.DataFrame", condition: str, change: Interval) -> int:
    """Number of test images behind a difference, over all seeds; no two seeds share one."""
    return change.seeds * int(arms[arms.condition == condition].test_images.iloc[0])
