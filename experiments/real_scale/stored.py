"""The study's results as the project keeps them: a row for each condition, seed and arm, and their origin."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbn.utils.files import written_whole
from tfbn.utils.validation import fail

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).parents[1] / "results" / "real_scale"
ABOUT = ("config", "versions", "machine")  # of the work folder's manifest


def read(folder: Path = FOLDER) -> "tuple[pd.DataFrame, dict[str, Any]]":
    """The stored rows, and what is known of the runs.

    Raises:
        InputError: Nothing is stored there.
    """
    import pandas as pd

    if not (folder / "results.parquet").is_file():
        raise fail("results", "to be a folder with results.parquet", str(folder))
    return pd.read_parquet(folder / "results.parquet"), json.loads((folder / "about.json").read_text())


def collect(work_dir: Path) -> "tuple[pd.DataFrame, dict[str, Any]]":
    """The rows of every run that a study has finished, also of one that is still going on.

    Args:
        work_dir: Its work folder.

    Raises:
        InputError: No study's folder, or one without a finished run.
    """
    import pandas as pd

    manifest = work_dir / "manifest.json"
    finished = sorted(path.parent for path in work_dir.glob("runs/*/*/*/result.json"))
    if not manifest.is_file() or not finished:
        raise fail("work_dir", "to be the folder of a study with at least one finished run", str(work_dir))
    parts = []
    for folder in finished:
        cell = json.loads((folder / "result.json").read_text())
        rows = pd.read_parquet(folder / "arms.parquet")
        parts.append(rows.assign(condition=cell["condition"], seed=cell["seed"], family=cell["arm"]))
    table = pd.concat(parts, ignore_index=True)
    front = ["condition", "seed", "family", "setting"]
    table = table[[*front, *(name for name in table.columns if name not in front)]]
    stored = json.loads(manifest.read_text())
    newest = max(folder.stat().st_mtime for folder in finished)
    about = {key: stored[key] for key in ABOUT} | {
        "processor": _processor(),
        "commits": sorted({*table.commit}),
        "runs": len(finished),
        "date": pd.Timestamp(newest, unit="s").strftime("%Y-%m-%d"),
    }
    about["config"].pop("photographs", None)  # a path of that machine
    return table.drop(columns="commit"), about


def write(table: "pd.DataFrame", about: dict[str, Any], folder: Path = FOLDER) -> None:
    """Stores rows, and what is known of the runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(folder / "results.parquet") as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")
    with written_whole(folder / "about.json") as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")


def _processor() -> str:
    """The processor's name, where the system tells it."""
    import platform

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()
