"""The plan of a study: the number of runs, and a time estimate from the stored ones."""

from typing import Any

from tfbn.utils.words import counted

from .experiment import Collection, Experiment, Question, no_more
from .store import Store, folder_of


def describe(experiment: Question, config: Any) -> str:
    """The number of runs and of stored runs, and the estimated time of the rest; changes nothing.

    The time is the mean of the stored runs of each arm, and over all arms for those without any.

    Raises:
        InputError: The work folder cannot take the study.
    """
    if isinstance(experiment, Collection):
        return "\n".join(describe(*part) for part in experiment.parts(config))
    assert isinstance(experiment, Experiment)
    folder = folder_of(experiment.name, config)
    store = Store(folder)
    store.check(experiment.name, config)
    cells = experiment.cells(config)
    rows = [row for cell in cells if (row := store.result(cell)) is not None]
    missing = [cell for cell in cells if store.result(cell) is None]
    lines = [
        f"{experiment.name}: {counted(len(cells), 'run')} in {folder}",
        f"  {counted(len({c.condition for c in cells}), 'condition')} x "
        f"{counted(len({c.arm for c in cells}), 'arm')} x "
        f"{counted(len({c.seed for c in cells}), 'seed')}",
        f"  stored: {len(rows)}, to do: {len(missing)}",
    ]
    if experiment.more is not no_more:
        lines.append(f"  up to {counted(config.seeds, 'seed')}: their results decide which arms continue")
    return "\n".join([*lines, f"  time: {_time(rows, [cell.arm for cell in missing], config)}"])


def _time(rows: list[dict[str, Any]], arms: list[str], config: Any) -> str:
    if not rows:
        return "not known before the first run is stored"
    seconds: dict[str, list[float]] = {}
    for row in rows:
        seconds.setdefault(row["arm"], []).append(row["seconds"])
    means = {arm: sum(each) / len(each) for arm, each in seconds.items()}
    usual = sum(means.values()) / len(means)
    total = sum(means.get(arm, usual) for arm in arms)
    workers = max(1, config.workers)
    return f"about {total / workers / 60:.1f} minutes on {workers} worker(s), as the stored runs took"
