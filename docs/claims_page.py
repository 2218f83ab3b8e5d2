"""Puts the results of a run of all claims where people look: `python -m docs.claims_page runs/claims`.

Writes `docs/claims.md` with the table and a plot for each experiment, puts the table into
README.md, and stores it for the notebook in `experiments/results`. The folder is the work folder of
`python -m experiments.claims`.
"""

import shutil
import sys
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
BEGIN, END = "<!-- claims begin -->\n", "<!-- claims end -->\n"  # in the README
RESULTS = DOCS.parent / "experiments" / "results"
WIDTH, COLORS = 1100, 64  # of the plots: enough to be read, and small files
INTRODUCTION = """# Claims, measured

Tutorials and papers make claims about BatchNorm, residual networks and transfer learning. Each experiment
tests some of them, beside questions of our own. A claim **holds**, **does not hold**, or holds **only if**
a condition is met: then there is a condition where it holds and one where the opposite does, or the
difference between two conditions is not zero. **Shown only there** means that it holds in some conditions
and that these runs cannot tell in the others. The rules stand in `experiments/lab/decisions.py`:
differences are paired by seed, intervals are of 95 % and never narrower than the noise of the test images
allows, p values are corrected (Holm) for the number of conditions, and fewer than four seeds decide
nothing.

"""


def main(folder: Path) -> None:
    """Writes the page, its plots and the stored table."""
    import pandas as pd

    if not (folder / "claims.md").exists():
        sys.exit(f"There is no claims.md in {folder}: run `python -m experiments.claims` first.")
    table = pd.read_parquet(folder / "claims.parquet")
    parts = [INTRODUCTION, (folder / "claims.md").read_text(), "\n## A plot of each experiment\n"]
    for experiment in dict.fromkeys(table.experiment):
        plots = sorted((folder / "figures").glob(f"{experiment}_*.png"))
        parts += [_plot(experiment, plots[0])] if plots else []
    (DOCS / "claims.md").write_text("\n".join(part.rstrip() + "\n" for part in parts))
    _into_readme((folder / "claims.md").read_text())
    RESULTS.mkdir(exist_ok=True)
    shutil.copy(folder / "claims.parquet", RESULTS)


def _into_readme(table: str) -> None:
    """Puts the table between its two marks."""
    before, rest = README.read_text().split(BEGIN)
    _, after = rest.split(END)
    README.write_text(f"{before}{BEGIN}\n{table.strip()}\n\n{END}{after}")


def _plot(experiment: str, path: Path) -> str:
    image = Image.open(path).convert("RGB")
    image.thumbnail((WIDTH, 10_000))
    name = f"claims_{experiment}.png"
    image.quantize(COLORS).save(DOCS / "images" / name, optimize=True)
    title = path.stem.removeprefix(f"{experiment}_").replace("_", " ")
    return f"### {experiment}\n\n`python -m experiments.{experiment}`\n\n![{title}](images/{name})\n"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/claims"))
