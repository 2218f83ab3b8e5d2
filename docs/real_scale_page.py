"""Writes the numbers of the study at real scale into the docs and the README, from the stored results.

`python -m docs.real_scale_page` replaces the text between the marks of `docs/real_scale.md`,
`docs/guide.md` and the README, and the figure, from `experiments/results/real_scale`, in seconds.
Given folders, as in `python -m docs.real_scale_page runs/real_scale`, it first adds the finished runs
of the studies in these folders, even if they are still running.
"""

import io
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs import guide_page
from docs.found import between_marks, found_in
from docs.real_scale_reading import reading
from experiments.claims import table as claims
from experiments.lab.experiment import Summary
from experiments.real_scale import figure, stored, summary, tables
from experiments.real_scale.__main__ import Config, cells
from experiments.real_scale.arms import TUNED, UPDATING
from experiments.real_scale.conditions import CONDITIONS
from experiments.real_scale.rules import LEAST_SEEDS, MEASURES

if TYPE_CHECKING:
    import pandas as pd

DOCS = Path(__file__).parent
PAGE, FIGURE = DOCS / "real_scale.md", DOCS / "images" / "real_scale.png"
README = DOCS.parent / "README.md"
README_LINK = "docs/real_scale.md"
COMMIT = "https://github.com/tfbn/tfbn/commit/"

# Condition, arm, the arm that is subtracted, measure; and the sentence, with {} for what was found.
SENTENCES = (
    ("base", "inference", "batch_0.99", "test_accuracy",
     "In an ImageNet network whose layers are frozen, on pictures of clothes, `training=False` is {} than "
     "`training=True` at Keras's default momentum, 0.99."),
    ("base", "inference", "updating_0.99", "test_accuracy",
     "About half of that is the update: even where moving statistics normalize in `fit`, holding them is {} "
     "than updating them at momentum 0.99."),
    ("base", "inference", "batch_0.9", "test_accuracy",
     "At momentum 0.9, where the moving statistics have time to converge, `training=False` is still {} than "
     "`training=True`."),
    ("base", "recalibrated", "inference", "refitted_accuracy",
     "The reason is the features: with a head fitted on exactly the features of inference mode, the "
     "target's statistics are {} than ImageNet's."),
    ("base", "tuned_held", "tuned_batch_0.99", "test_accuracy",
     "Where everything is fine-tuned, each variant at its own learning rate, holding the statistics is {} "
     "than updating them at momentum 0.99."),
    ("noise", "recalibrated", "inference", "refitted_accuracy",
     "Corrupted pixels do not change that: on noisy pictures of clothes, the target's statistics are {} than "
     "ImageNet's, with frozen layers and refitted heads."),
    ("toy_contrast", "batch_0.9", "inference", "test_accuracy",
     "A small network shows the opposite: in a ResNet-8 pretrained on MNIST, on other digits with contrast "
     "0.3, `training=True` at momentum 0.9 is {} than `training=False` after a short training run."),
    ("toy_contrast", "recalibrated", "inference", "refitted_accuracy",
     "Most of that comes from how fast the head learns: with a refitted head, the target's statistics are {} "
     "there than MNIST's."),
)  # fmt: skip


def updated(text: str, arms: "pd.DataFrame", about: dict[str, Any]) -> str:
    """The page with everything between its marks made from these results."""
    blocks = {"answer": answer(arms), "measured": measured(arms, about), "accuracies": accuracies(arms)}
    blocks |= {"claims": judged(arms), "reading": reading(arms), "caption": figure.CAPTION}
    return between_marks(text, blocks)


def answer(arms: "pd.DataFrame", page: str = "") -> str:
    """The sentences whose arms have run, each with a link to its table.

    Args:
        arms: The results.
        page: Where the tables are; empty: on the page of the sentences.
    """
    ran = {*zip(arms.condition, arms.setting, strict=True)}
    found = [
        f"{text.format(found_in(arms, condition, *which))} [Table]({page}#{_anchor(which[-1])})"
        for condition, *which, text in SENTENCES
        if {(condition, arm) for arm in which[:2]} <= ran
    ]
    return "\n".join(f"{number}. {line}" for number, line in enumerate(found, start=1))


def _anchor(measure: str) -> str:
    """Of a heading, as GitHub and the docs make them."""
    return re.sub(r"[^a-z0-9 ]", "", MEASURES[measure].lower()).replace(" ", "-")


def judged(arms: "pd.DataFrame") -> str:
    """The claims that have run, one row each, and those that have not."""
    found = tables.judgments(arms)
    table = claims.claims_table({"real_scale": Summary([], [], [], [], summary.claims(found))})
    missing = dict.fromkeys(each.rule.claim for each in found if not each.differences)
    rest = f"\nNot measured yet: {' '.join(missing)}" if missing else ""
    return claims.markdown(table, heading="###") + rest


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
    runs = arms[["condition", "family", "seed", "machine"]].drop_duplicates().machine.value_counts()
    machines = "; ".join(f"{runs[name]} on {name.replace('; ', ' with ')}" for name in about["machines"])
    commits = ", ".join(map(_commit, about["commits"]))
    base = arms[arms.condition == "base"]
    seconds = {name: each.cpu_seconds.mean() for name, each in base.groupby("family")}
    return "\n".join(
        [
            f"- {about['runs']} runs, finished by {about['date']}, of `python -m experiments.real_scale` "
            f"with the code of {commits}: {machines}. The arms of one "
            "seed that train the network ran on one machine.",
            f"- All frozen arms of one seed in the base condition take {seconds['frozen']:.0f} CPU seconds.",
            "- The rules are `experiments/real_scale/rules.py` as of the commits that the runs name: "
            f"{_rules(arms)}.",
            f"- {_of_plan(arms)}",
            f"- Without a verdict, because fewer than {LEAST_SEEDS} seeds have run: {_missing(arms)}.",
        ]
    )


def _of_plan(arms: "pd.DataFrame") -> str:
    """How many runs of the whole study are there, which are not, and what they took."""
    planned = {(cell.condition, cell.arm, cell.seed) for cell in cells(Config())}
    runs = arms.drop_duplicates(["condition", "family", "seed"])
    ran = {*zip(runs.condition, runs.family, runs.seed, strict=True)}
    left = Counter(f"{CONDITIONS[condition].says}, {family}" for condition, family, _ in planned - ran)
    hours = runs.cpu_seconds.sum() / 3600
    took = f"in {hours:.1f} CPU hours, which is {hours / 2:.1f} hours on two cores"
    if not left:
        return f"All {len(planned)} runs of the study have run, {took}."
    rest = "; ".join(f"{what} ({n})" for what, n in sorted(left.items()))
    return f"{len(planned & ran)} of the study's {len(planned)} runs have run, {took}; left: {rest}."


def _rules(arms: "pd.DataFrame") -> str:
    """By family of arms, the commits that its runs name."""
    commits = arms.groupby("family", sort=False, observed=True).commit.unique()
    return "; ".join(f"{family}: {', '.join(map(_commit, sorted(each)))}" for family, each in commits.items())


def _commit(commit: str) -> str:
    return f"[`{commit}`]({COMMIT}{commit})"


def _missing(arms: "pd.DataFrame") -> str:
    def seeds(part: "pd.DataFrame") -> int:
        return part.seed.nunique()

    ran = {each.says: seeds(arms[arms.condition == name]) for name, each in CONDITIONS.items()}
    ran["moving statistics normalize and update"] = seeds(arms[arms.family == UPDATING])
    ran |= {each.says: seeds(arms[arms.family == name]) for name, each in TUNED.items()}
    return "; ".join(f"{says} ({n})" for says, n in ran.items() if n < LEAST_SEEDS) or "nothing"


def main(work_dirs: list[Path]) -> None:
    """Adds the results of folders to those that are stored, then writes the page and its figure."""
    if work_dirs:
        stored.write(*stored.added(work_dirs))
    arms, about = stored.read()
    PAGE.write_text(updated(PAGE.read_text(), arms, about))
    README.write_text(between_marks(README.read_text(), {"answer": answer(arms, README_LINK)}))
    guide_page.write(arms)
    buffer = io.BytesIO()
    figure.crossover(arms).savefig(buffer, format="png", dpi=110)
    FIGURE.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
