"""Puts what `tfbn.Doctor` finds into its page: `python -m docs.doctor_page`, from `benchmarks/diagnosis`.

The tables are made of the stored results, in a second. The pictures are made by `docs.doctor_pictures`.
"""

import json
from pathlib import Path
from typing import Any

from scipy import stats

from benchmarks.diagnosis.rows import read
from docs.found import between_marks
from experiments.lab.intervals import Interval, interval

DOCS = Path(__file__).parent
PAGE, IMAGES = DOCS / "doctor.md", DOCS / "images" / "doctor"
NETWORKS = {"dense": "a small dense network", "convolutional": "a small ResNet-8"}
HALF = 0.5  # points that averages may be worse
TRAININGS = {  # the recipes of benchmarks/diagnosis/averages.py
    "digits": "ResNet-8 from random weights, digits, constant learning rate",
    "cosine": "EfficientNet-Lite0, clothes, learning rate that falls to 0",
    "constant": "EfficientNet-Lite0, clothes, constant learning rate",
}
RESULTS = DOCS.parent / "benchmarks" / "diagnosis"


def updated(text: str) -> str:
    """The page with its tables made of the stored results."""
    benchmark = json.loads((RESULTS.parent / "results.json").read_text())["doctor"]
    blocks = {"cost": cost(benchmark["rows"]), "faults": faults(read(RESULTS / "faults.json"))}
    blocks |= {"healthy": healthy(read(RESULTS / "healthy.json"))}
    blocks |= {"arms": arms(read(RESULTS / "arms.json"))}
    blocks |= {"claims": claims(read(RESULTS / "claims.json"))}
    blocks |= {"averages": averages(read(RESULTS / "averages.json"))}
    return between_marks(text, blocks)


def cost(rows: list[dict[str, Any]]) -> str:
    """What it adds to a train step, of the rows of `benchmarks.doctor`."""
    shares = [
        f"- {100 * row['ratio']:.2f} % of {row['what'].removesuffix(', a train step')}: "
        + row["ours"].removeprefix("what it does ")
        for row in rows
        if row["target"] is not None
    ]
    return "\n".join(
        [
            "By itself, it takes this share of a train step (`benchmarks/doctor.py`):",
            "",
            *shares,
        ]
    )


def faults(rows: list[dict[str, Any]]) -> str:
    """A line for each fault: in how many training runs it was named, and at which step."""
    lines = ["| fault | reported as | named, of runs | at step |", "|---|---|---|---|"]
    titles = list(dict.fromkeys(row["fault"] for row in rows))
    for title in titles:
        of_it = [row for row in rows if row["fault"] == title]
        found = [row for row in of_it if row["found"]]
        names = ", ".join(f"[{name}](#{name})" for name in dict.fromkeys(row["name"] for row in found))
        lines.append(f"| {title} | {names} | {len(found)} of {len(of_it)} | {_steps(found)} |")
    whole = sum(all(row["found"] for row in rows if row["fault"] == title) for title in titles)
    wrong = sum(bool(row["wrong"]) for row in rows)
    summary = (
        f"{whole} of {len(titles)} faults were named correctly in every training run, within 50 steps or "
        f"before `fit`: {' and '.join(_of_network(rows, name) for name in NETWORKS)}. "
        + (
            f"In {wrong} training runs another fault was reported too."
            if wrong
            else "Nothing else was reported."
        )
    )
    return "\n".join([summary, "", *lines])


def _of_network(rows: list[dict[str, Any]], name: str) -> str:
    of_it = [row for row in rows if row["network"] == name]
    titles, seeds = ({row[key] for row in of_it} for key in ("fault", "seed"))
    several = f"{len(seeds)} seed{'' if len(seeds) == 1 else 's'}"
    return f"{len(of_it)} training runs of {NETWORKS[name]} ({len(titles)} faults, {several})"


def _steps(rows: list[dict[str, Any]]) -> str:
    steps = sorted(row["step"] or 0 for row in rows)
    if not steps or steps[-1] == 0:
        return "before" if steps else ""
    first = "before" if steps[0] == 0 else str(steps[0])
    return first if steps[0] == steps[-1] else f"{first} to {steps[-1]}"


def healthy(rows: list[dict[str, Any]]) -> str:
    """How often a healthy training was reported, with its interval."""
    what = "networks (random weights, 50 steps on photographs, batches of 16)"
    return _alarms(rows, what, "{network}")


def arms(rows: list[dict[str, Any]]) -> str:
    """The same for the healthy arms of the main job."""
    names, seeds = (list(dict.fromkeys(row[key] for row in rows)) for key in ("arm", "seed"))
    listed, steps = ", ".join(f"`{name}`" for name in names), max(row["steps"] for row in rows)
    several = f"{len(seeds)} seed{'' if len(seeds) == 1 else 's'}"
    what = f"trainings of EfficientNet-Lite0 ({listed}; {several}, {steps} steps)"
    return _alarms(rows, what, "`{arm}`, seed {seed}")


def claims(rows: list[dict[str, Any]]) -> str:
    """The same for healthy runs of the claims' experiments."""
    names = dict.fromkeys(row["experiment"] for row in rows)
    listed, steps = ", ".join(f"`{name}`" for name in names), [row["steps"] for row in rows]
    what = f"runs ({listed}; {min(steps)} to {max(steps)} steps)"
    return _alarms(rows, what, "`{arm}` of `{experiment}`, {condition}")


def _alarms(rows: list[dict[str, Any]], what: str, where: str) -> str:
    alarmed = [row for row in rows if row["findings"]]
    text = f"It reported a fault in {len(alarmed)} of {len(rows)} {what}: {rate(len(alarmed), len(rows))}."
    named = (f"`{f['name']}` in {where.format(**row)}" for row in alarmed for f in row["findings"])
    return text + (f" It was {', '.join(named)}." if alarmed else "")


def rate(number: int, of: int) -> str:
    """A rate in percent with its exact binomial interval.

    Example:

    >>> rate(0, 31)
    '0 % with a 95 % interval of [0, 11]'
    """
    ends = stats.binomtest(number, of).proportion_ci(0.95, "exact")
    low, high = 100 * ends.low, 100 * ends.high
    return f"{100 * number / of:.0f} % with a 95 % interval of [{low:.0f}, {high:.0f}]"


def averages(rows: list[dict[str, Any]]) -> str:
    """Accuracy of averaged weights, less that of the raw ones, for each way of training."""
    columns = {
        "raw_recalibrated": "raw weights, recalibrated",
        "averaged_as_keras": "averages, raw statistics",
        "averaged": "averages, their statistics",
    }
    judged = f"at most {HALF} worse than raw?"
    lines = [
        f"| training | seeds | raw weights | {' | '.join(columns.values())} | {judged} |",
        "|---|---|---|---|---|---|---|",
    ]
    for recipe, words in TRAININGS.items():
        of_it = [row for row in rows if row["recipe"] == recipe]
        if not of_it:
            continue
        raw = sum(row["raw"] for row in of_it) / len(of_it)
        gains = {name: _gain(of_it, name) for name in columns}
        texts = [gain.text() if gain else "" for gain in gains.values()]
        verdict = _at_worst(gains["averaged"])
        lines.append(f"| {words} | {len(of_it)} | {raw:.1f} % | {' | '.join(texts)} | {verdict} |")
    return "\n".join(lines)


def _gain(rows: list[dict[str, Any]], name: str) -> Interval | None:
    return interval([row[name] - row["raw"] for row in rows]) if all(name in row for row in rows) else None


def _at_worst(gain: Interval | None) -> str:
    if gain is None or gain.mean < -HALF:
        return "no"
    return "yes" if gain.low >= -HALF else "on average; the interval reaches further"


def main() -> None:
    PAGE.write_text(updated(PAGE.read_text()))


if __name__ == "__main__":
    main()
