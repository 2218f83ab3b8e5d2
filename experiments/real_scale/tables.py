"""The study's tables: accuracies by condition and arm, and claims with their verdicts."""

from typing import TYPE_CHECKING

from .arms import FROZEN
from .conditions import CONDITIONS
from .judging import Judgment, judge
from .rules import LEAST_SEEDS, MEASURES, RULES

if TYPE_CHECKING:
    import pandas as pd

SHORT = {"test_accuracy": "short", "converged_accuracy": "converged", "refitted_accuracy": "refitted"}


def judgments(arms: "pd.DataFrame") -> list[Judgment]:
    """Every claim by each of its measures."""
    return [judge(arms, rule, measure) for rule in RULES for measure in rule.measures]


def accuracies(arms: "pd.DataFrame") -> "pd.DataFrame":
    """Percent right on test images by condition and arm: short training / converged / refitted."""
    import pandas as pd

    names = [name for name in CONDITIONS if (arms.condition == name).any()]
    rows = []
    for name in names:
        part = arms[arms.condition == name]
        means = part.groupby("setting", observed=True)[list(MEASURES)].mean() * 100
        row = {"condition": CONDITIONS[name].says, "seeds": part.seed.nunique()}
        row["test images"] = int(part.test_images.iloc[0]) * part.seed.nunique()
        for arm in FROZEN.values():
            row[arm.says] = " / ".join(f"{means.loc[arm.name, measure]:.1f}" for measure in MEASURES)
        rows.append(row)
    return pd.DataFrame(rows)


def claims(found: list[Judgment]) -> "pd.DataFrame":
    """One row for each claim and measure: the verdict, and the numbers by condition."""
    import pandas as pd

    rows = []
    for each in found:
        source = (
            f"[{each.rule.source}]({each.rule.url}): “{each.rule.quote}”"
            if each.rule.source
            else "own question"
        )
        numbers = [
            f"{_in_words(name)} {change.text()}{'' if change.seeds >= LEAST_SEEDS else ' (too few seeds)'}: "
            f"{each.verdicts[name]}"
            for name, change in each.differences.items()
        ]
        rows.append(
            {
                "claim": each.rule.claim,
                "measure": SHORT[each.measure],
                "verdict": each.verdict if each.differences else "not measured yet",
                "points by condition": "; ".join(numbers) or "-",
                "source": source,
            }
        )
    return pd.DataFrame(rows)


def markdown(frame: "pd.DataFrame") -> str:
    """A table in Markdown."""
    lines = [list(frame.columns), ["---"] * len(frame.columns), *frame.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _in_words(name: str) -> str:
    return " against ".join(CONDITIONS[part].says for part in name.split(" against "))
