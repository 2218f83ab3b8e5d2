"""The study's tables: accuracies by condition and arm, and claims with their verdicts."""

import pandas as pd

from .arms import FAMILY, FROZEN, SETTINGS, TUNED, UPDATING, UPDATING_MOMENTA
from .conditions import CONDITIONS
from .rules import RULES
from .verdicts import Judgment, judge

SHORT = {"test_accuracy": "short", "converged_accuracy": "converged", "refitted_accuracy": "refitted"}


def judgments(arms: "pd.DataFrame") -> list[Judgment]:
    """Every claim by each of its measures."""
    return [judge(arms, rule, measure) for rule in RULES for measure in rule.measures]


def accuracies(arms: "pd.DataFrame", measure: str) -> "pd.DataFrame":
    """Accuracy on test images in percent, by one measure: a row per condition, a column per frozen arm."""
    shown, rows = [name for name in (*FROZEN, *UPDATING_MOMENTA) if (arms.setting == name).any()], []
    for name in CONDITIONS:
        part = arms[(arms.condition == name) & arms.family.isin((FAMILY, UPDATING))]
        if (part.family == FAMILY).any():
            means = part.groupby("setting", observed=True)[measure].mean() * 100
            row = {"condition": CONDITIONS[name].says, "seeds": part[part.family == FAMILY].seed.nunique()}
            row["N·H·W"] = CONDITIONS[name].values_a_channel
            for arm in shown:
                row[arm.replace("_", " ")] = f"{means[arm]:.1f}" if arm in means else "-"
            rows.append(row)
    return pd.DataFrame(rows)


def tuned(arms: "pd.DataFrame") -> "pd.DataFrame":
    """Accuracy on test images in percent where the network trains: a row for each condition and arm."""
    rows = []
    for name, condition in CONDITIONS.items():
        part = arms[(arms.condition == name) & arms.family.isin({*TUNED})]
        for setting in (each for each in SETTINGS if (part.setting == each).any()):
            own = part[part.setting == setting]
            mean = f"{100 * own.test_accuracy.mean():.1f}"
            row = {"condition": condition.says, "arm": SETTINGS[setting], "seeds": own.seed.nunique()}
            rows.append(row | {"accuracy": mean})
    return pd.DataFrame(rows)


def markdown(frame: "pd.DataFrame") -> str:
    """A table in Markdown."""
    lines = [list(frame.columns), ["---"] * len(frame.columns), *frame.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def in_words(name: str) -> str:
    """The name of a condition, or of a pair, in tables."""
    return " against ".join(CONDITIONS[part].says for part in name.split(" against "))
