"""Puts the numbers of the study at real scale where people look, all of them from the stored results.

`python -m docs.real_scale_page` writes what stands between the marks of `docs/real_scale.md` and of
the README, and the figure, from `experiments/results/real_scale`, in seconds. With a folder, as
`python -m docs.real_scale_page runs/real_scale`, it first stores what the study in that folder has
finished, also while it is going on.
"""

import io
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.lab.intervals import Interval
from experiments.real_scale import figure, stored, tables
from experiments.real_scale.arms import TUNED, UPDATING
from experiments.real_scale.conditions import CONDITIONS
from experiments.real_scale.judging import differences
from experiments.real_scale.rules import LEAST_SEEDS, MEASURES, Rule

if TYPE_CHECKING:
    import pandas as pd

DOCS = Path(__file__).parent
PAGE, FIGURE = DOCS / "real_scale.md", DOCS / "images" / "real_scale.png"
README = DOCS.parent / "README.md"
COMMIT = "https://github.com/tfbn/tfbn/commit/"

# Condition, arm, the arm that is subtracted, measure; and the sentence, with {} for what was found.
SENTENCES = (
    ("base", "inference", "batch_0.99", "test_accuracy",
     "In an ImageNet network whose layers are frozen, on pictures of clothes, `training=False` is {} than "
     "`training=True` at Keras's default momentum, 0.99."),
    ("base", "inference", "batch_0.9", "test_accuracy",
     "At momentum 0.9, where the moving statistics have time to arrive, `training=False` is {}."),
    ("base", "inference", "batch_0.9", "converged_accuracy",
     "More training of the head does not close that gap: with a converged head, `training=False` is {}."),
    ("base", "recalibrated", "inference", "refitted_accuracy",
     "The features are the reason: with a head fitted on the very features that inference gives, the "
     "target's statistics are {} than ImageNet's."),
    ("digits", "inference", "batch_0.99", "test_accuracy",
     "On digits of MNIST it is the same: `training=False` is {} than `training=True` at momentum 0.99."),
    ("contrast", "recalibrated", "inference", "refitted_accuracy",
     "Less contrast does not turn that round: on pictures of clothes with contrast 0.3, the target's "
     "statistics are {} than ImageNet's, with refitted heads."),
    ("toy_contrast", "batch_0.9", "inference", "test_accuracy",
     "Another network turns it round: in a ResNet-8 pretrained on MNIST, on other digits with contrast 0.3, "
     "`training=True` at momentum 0.9 is {} than `training=False` after a short training."),
    ("toy_contrast", "recalibrated", "inference", "refitted_accuracy",
     "Most of that is the training of the head: with a refitted head, the target's statistics are {} there "
     "than MNIST's."),
)  # fmt: skip


def updated(text: str, arms: "pd.DataFrame", about: dict[str, Any]) -> str:
    """The page with everything between its marks made from these results."""
    blocks = {"answer": answer(arms), "measured": measured(arms, about), "accuracies": accuracies(arms)}
    blocks["claims"] = tables.markdown(tables.claims(tables.judgments(arms)))
    return between_marks(text, blocks)


def between_marks(text: str, blocks: dict[str, str]) -> str:
    """A text with the content of each block between the marks of its name."""
    for name, content in blocks.items():
        begin, end = (f"<!-- {word} {name} -->\n" for word in ("begin", "end"))
        between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        text, number = between.subn(lambda _, new=f"{begin}\n{content}\n\n{end}": new, text)
        if number != 1:
            raise ValueError(f"Expected one place for {name} in the page. Received: {number}")
    return text


def answer(arms: "pd.DataFrame") -> str:
    """The sentences whose condition has run."""
    lines = [
        f"{number}. {text.format(found_in(arms, *which))}"
        for number, (*which, text) in enumerate(SENTENCES, start=1)
        if (arms.condition == which[0]).any()
    ]
    return "\n".join(lines)


def found_in(arms: "pd.DataFrame", condition: str, arm: str, reference: str, measure: str) -> str:
    """A difference in words, with its interval, test images and seeds."""
    change = differences(arms, Rule("", arm, reference, (measure,)), measure)[condition]
    low, high = change.low, change.high
    numbers = f"{_images(arms, condition, change):,} test images, {change.seeds} seeds"
    if low <= 0 <= high:
        return f"not shown to be better or worse (**{change.text()}** points; {numbers})"
    near, far = sorted((abs(low), abs(high)))
    word = "better" if low > 0 else "worse"
    return f"**{abs(change.mean):.1f} points {word}** [{near:.1f}, {far:.1f}] ({numbers})"


def _images(arms: "pd.DataFrame", condition: str, change: Interval) -> int:
    """The test images of all seeds that a difference is of, which are disjoint."""
    return change.seeds * int(arms[arms.condition == condition].test_images.iloc[0])


def accuracies(arms: "pd.DataFrame") -> str:
    """A table for each measure, and one for the arms whose network trains if there are any."""
    parts = [
        f"### {words[0].upper()}{words[1:]}\n\n{tables.markdown(tables.accuracies(arms, measure))}"
        for measure, words in MEASURES.items()
    ]
    tuned = tables.tuned(arms)
    return "\n\n".join(
        [*parts, *([f"### The network trains\n\n{tables.markdown(tuned)}"] if len(tuned) else [])]
    )


def measured(arms: "pd.DataFrame", about: dict[str, Any]) -> str:
    """Which machine, versions, commit and seeds; and what has no verdict yet."""
    versions = ", ".join(f"{name} {about['versions'][name]}" for name in ("keras", "tensorflow"))
    commits = ", ".join(f"[`{commit}`]({COMMIT}{commit})" for commit in about["commits"])
    seconds = arms[arms.condition == "base"].cpu_seconds.mean()
    return "\n".join(
        [
            f"- {about['runs']} runs, finished by {about['date']}, of `python -m experiments.real_scale` "
            f"with the code of {commits}; {about['processor']}, {versions}.",
            f"- All frozen arms of one seed in the base condition take {seconds:.0f} CPU seconds.",
            "- The rules were fixed in that commit, before the runs: `experiments/real_scale/rules.py`.",
            f"- Without a verdict, since fewer than {LEAST_SEEDS} seeds have run: {_missing(arms)}.",
        ]
    )


def _missing(arms: "pd.DataFrame") -> str:
    def seeds(part: "pd.DataFrame") -> int:
        return part.seed.nunique()

    ran = {each.says: seeds(arms[arms.condition == name]) for name, each in CONDITIONS.items()}
    ran["moving statistics normalize and update"] = seeds(arms[arms.family == UPDATING])
    ran |= {each.says: seeds(arms[arms.family == name]) for name, each in TUNED.items()}
    return "; ".join(f"{says} ({n})" for says, n in ran.items() if n < LEAST_SEEDS) or "nothing"


def main(work_dir: Path | None) -> None:
    """Stores results if there is a folder, then writes the page and its figure."""
    if work_dir is not None:
        stored.write(*stored.collect(work_dir))
    arms, about = stored.read()
    PAGE.write_text(updated(PAGE.read_text(), arms, about))
    README.write_text(between_marks(README.read_text(), {"answer": answer(arms)}))
    buffer = io.BytesIO()
    figure.crossover(arms).savefig(buffer, format="png", dpi=110)
    FIGURE.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
