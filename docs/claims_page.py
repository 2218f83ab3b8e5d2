"""Writes the verdicts on all claims into the docs and the README, from the stored results, in seconds.

`python -m docs.claims_page` writes `docs/claims.md`, and the sentence between its marks in the README,
from `experiments/results`: the claims of each experiment are recomputed from its stored runs. Given work
folders, as in `python -m docs.claims_page runs/claims runs/depth`, it first stores the results in these
folders and draws their plots; with `--so_far` in front, also of studies that were stopped.
"""

import collections
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from docs import main_job
from docs.found import between_marks
from docs.real_scale_page import COMMIT
from experiments.claims import table as claims
from experiments.claims.__main__ import EXPERIMENTS
from experiments.lab import catalog, kept
from experiments.lab.decisions import VERDICTS
from experiments.lab.experiment import Summary
from experiments.lab.verdicts import CLAIM
from experiments.real_scale import stored as real_scale
from experiments.real_scale import summary, tables

if TYPE_CHECKING:
    import pandas as pd

DOCS = Path(__file__).parent
PAGE, README = DOCS / "claims.md", main_job.README
REAL_SCALE = "real_scale"  # kept by conditions and seeds, not as one finished work folder
STORED = kept.FOLDER / "claims.parquet"
SO_FAR = "--so_far"
# Studies with another network: the value of --model that they are kept by, and the plot that is shown.
VARIANTS = {"transfer_strategies": {"EfficientNetLite0": 1}}
WIDTH, COLORS = 1100, 64  # of the plots: enough to be read, and small files
BEFORE = "2026-11-21"  # the run of all experiments whose rows were not kept
INTRODUCTION = """# Claims, measured

Tutorials and papers make claims about BatchNorm, residual networks and transfer learning. Each experiment
tests some of them, and some questions of our own. A claim **holds** if it holds in every condition, and
**does not hold** if the opposite is true in some conditions and it holds in none. It holds **only if** a
condition is met if it holds in one condition and its opposite in another, or if the difference between two
conditions is not zero. **Shown only there** means that it holds in some conditions and that these runs
cannot tell in the others.

The number in a row is that of one condition: the one nearest to the limit if the claim holds everywhere,
the one furthest below it if the claim does not hold, and otherwise the one that supports the claim most.
Click on the source, or on "details", for the others. In the small plots the middle is the limit, such as a
difference of zero; to the right of it, the claim holds. The scale is logarithmic and ends at 100.

The rules are in `experiments/lab/decisions.py` and in the `claims.py` of each experiment: differences are
paired by seed; intervals are 95 % intervals, never narrower than the noise of the test images (which no two
seeds share in `real_scale`, and which all seeds draw from one pool in the others); p values are
corrected (Holm) for the number of conditions; "no difference" requires two one-sided tests; and fewer than
four seeds decide nothing. The end of the page lists the commit of the rules and the code behind each number.
"""
KEPT = """Rows that were kept are in `experiments/results`, one file of runs for each experiment, and
`python -m docs.claims_page` recomputes their claims in seconds, identically on any machine. The runs
themselves are reproducible to the bit only on one machine: other processors round differently. Where the
rows were not kept, the verdicts follow from the intervals of that run by the rules above; these intervals
do not include the noise of the test images."""


def table() -> "pd.DataFrame":
    """Every claim: from the kept results, and for experiments without any as stored from an earlier run."""
    import pandas as pd

    stored = pd.read_parquet(STORED)
    judged = tables.judgments(real_scale.read()[0])
    parts = [claims.claims_table({REAL_SCALE: Summary([], [], [], [], summary.claims(judged))})]
    for name, variant in studies():
        experiment = catalog.load(name)
        if name == main_job.EXPERIMENT.name:  # whose whole summary needs TensorFlow
            parts.append(claims.claims_table({name: main_job.summary()}))
        elif kept.is_kept(experiment, variant=variant):
            parts.append(claims.claims_table({flags(name, variant): kept.again(experiment, variant=variant)}))
        elif not variant:
            parts.append(stored[stored.experiment == name])
    return pd.concat(parts, ignore_index=True)


def studies() -> list[tuple[str, str]]:
    """The experiments, each followed by its variants that are kept."""
    found = []
    for name in EXPERIMENTS:
        found.append((name, ""))
        experiment = catalog.load(name)
        found += [(name, each) for each in VARIANTS.get(name, ()) if kept.is_kept(experiment, variant=each)]
    return found


def flags(name: str, variant: str) -> str:
    """The experiment's name with the flag that makes the variant, as on a command line."""
    return f"{name} --model={variant}" if variant else name


def page(found: "pd.DataFrame") -> str:
    """The whole page."""
    parts = [
        INTRODUCTION,
        claims.count(found),
        claims.markdown(found),
        origins(),
        "## A plot of each experiment",
    ]
    parts += [_plot(*study) for study in studies() if _image(*study).is_file()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def sentence(found: "pd.DataFrame") -> str:
    """The README's sentence about the claims."""
    of_others = found[found.kind == CLAIM]
    counts = collections.Counter(of_others.verdict)
    listed = ", ".join(f"{counts[verdict]} “{verdict}”" for verdict in VERDICTS if counts[verdict])
    return (
        f"{len(of_others)} verdicts on claims of tutorials and papers: {listed}. "
        "[The table](docs/claims.md) has a number, an interval and the quoted sentence for each."
    )


def origins() -> str:
    """A table of the runs behind the numbers."""
    lines = [
        "## Where the numbers come from",
        "",
        "| experiment | runs | date | processor | commit of the code and the rules |",
        "|---|---|---|---|---|",
    ]
    found = real_scale.read()[1]
    cells = [f"`{REAL_SCALE}`", found["runs"], found["date"], _machines(found), _commits(found)]
    lines.append(f"| {' | '.join(map(str, cells))} |")
    for name, variant in studies():
        experiment = catalog.load(name)
        if kept.is_kept(experiment, variant=variant):
            about = kept.about(experiment, variant=variant)
            devices = [each.partition("; ")[0] for each in about.get("devices", [about["processor"]])]
            cells = [about["runs"], about["date"], ", ".join(dict.fromkeys(devices)), _commits(about)]
        else:
            cells = ["rows not kept", BEFORE, "two cores", "rules made stricter after the run"]
        lines.append(f"| `{flags(name, variant)}` | {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, "", KEPT])


def _machines(found: dict[str, Any]) -> str:
    """The devices, without the libraries."""
    return ", ".join(dict.fromkeys(machine.partition("; ")[0] for machine in found["machines"]))


def _commits(about: dict[str, Any]) -> str:
    return ", ".join(f"[`{commit}`]({COMMIT}{commit.rstrip('+')})" for commit in about["commits"])


def keep(folder: Path, so_far: bool = False) -> None:
    """Keeps the results of a work folder, or of the experiments' folders in it, and draws their plots."""
    folders = {path.parent.name: path.parent for path in sorted(folder.glob("*/manifest.json"))}
    chosen = [folders[name] for name in EXPERIMENTS if name in folders] or [folder]
    for each in chosen:
        name, model = _study(each)
        variant = model if model in VARIANTS.get(name, ()) else ""
        experiment = catalog.load(name)
        kept.keep(experiment, each, variant=variant, so_far=so_far)
        figures = kept.again(experiment, variant=variant).figures
        if figures:
            draw(_image(name, variant), figures[VARIANTS[name][variant] if variant else 0][2])


def _study(folder: Path) -> tuple[str, str]:
    """The experiment of a work folder, and its network; for another folder, its own name."""
    manifest = folder / "manifest.json"
    stored = json.loads(manifest.read_text()) if manifest.is_file() else {}
    return stored.get("experiment", folder.name), stored.get("config", {}).get("model", "")


def draw(path: Path, figure) -> None:
    """Stores a plot, small."""
    figure.savefig(path, dpi=150, bbox_inches="tight")
    image = Image.open(path).convert("RGB")
    image.thumbnail((WIDTH, 10_000))
    image.quantize(COLORS).save(path, optimize=True)


def _image(name: str, variant: str = "") -> Path:
    return DOCS / "images" / f"claims_{name}{f'_{variant}' if variant else ''}.png"


def _plot(name: str, variant: str) -> str:
    question, command = catalog.load(name).question, flags(name, variant)
    image = _image(name, variant).name
    return f"### {command}\n\n`python -m experiments.{command}`\n\n![{question}](images/{image})\n"


def main(folders: list[Path], so_far: bool = False) -> None:
    """Keeps the results of the folders, then writes the page, the README's sentence and the table."""
    for folder in folders:
        keep(folder, so_far)
    found = table()
    kept.write(found, STORED)
    PAGE.write_text(page(found))
    README.write_text(between_marks(README.read_text(), {"claims": sentence(found)}))


if __name__ == "__main__":
    given = sys.argv[1:]
    main([Path(each) for each in given if each != SO_FAR], SO_FAR in given)
