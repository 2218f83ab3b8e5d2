"""The summary: the strategies compared."""

from pathlib import Path
from typing import Any

import pandas as pd

from tfbn.utils.words import counted

from ..lab import sentences
from ..lab.curves import curves
from ..lab.experiment import Summary
from ..lab.intervals import mean_and_sd
from . import claims, claims_at_scale
from .arms import ARMS, MODES, STRATEGIES, can_cache
from .claims import Changes
from .defaults import KERAS_MOMENTUM, with_defaults


def summarize(config: Any, results: pd.DataFrame, folder: Path) -> Summary:
    """The `Summary` of `transfer_strategies`; accuracies in percent, differences in points."""
    config = with_defaults(config)
    results, curve = labeled(results), labeled(pd.read_parquet(folder / "curve.parquet"))
    changes = Changes(results)
    largest = max(changes.images)
    return Summary(
        findings=_findings(changes, config),
        tables=[
            ("Test accuracy in inference mode, % (mean ± sd over seeds)", _accuracy_table(results)),
            *_mode_tables(changes, config),
            (f"What it takes, with {largest} images", _time_table(results[results.images == largest])),
        ],
        figures=_figures(results, curve, largest),
        limits=_limits(config, curve),
        claims=(claims_at_scale if config.is_tuned else claims).claims(changes, config.momentum),
    )


def labeled(table: pd.DataFrame) -> pd.DataFrame:
    """With the title of each row's panel, accuracies in percent."""
    table = table.assign(panel=table["mode"].map(lambda mode: f"BatchNorm with training={MODES[mode]}"))
    accuracies = [name for name in table.columns if "accuracy" in name]
    return table.assign(**{name: 100 * table[name] for name in accuracies})


def _accuracy_table(results: pd.DataFrame) -> pd.DataFrame:
    by_arm = results.groupby(["arm", "images"], sort=False).test_accuracy.apply(mean_and_sd)
    table = by_arm.unstack().reindex(columns=sorted(set(results.images)))
    return table.reindex(dict.fromkeys(results.arm)).rename(columns="{} images".format).reset_index()


def _mode_tables(changes: Changes, config: Any) -> list[tuple[str, pd.DataFrame]]:
    title = "training=True minus training=False, points"
    if not config.is_tuned:
        return [(title, _mode_table(changes))]
    metrics = {"test_accuracy": config.momentum, "slow_accuracy": KERAS_MOMENTUM}
    return [(f"{title}, momentum {m:g}", _mode_table(changes, metric)) for metric, m in metrics.items()]


def _mode_table(changes: Changes, metric: str = "test_accuracy") -> pd.DataFrame:
    rows = [(strategy, changes.of_mode(strategy, metric)) for strategy in STRATEGIES]
    return pd.DataFrame(
        [
            {"strategy": strategy, **{where: f"{c.text()}, {c.agree}/{c.seeds}" for where, c in row.items()}}
            for strategy, row in rows
            if row
        ]
    )


def _time_table(results: pd.DataFrame) -> pd.DataFrame:
    def row(arm: str, part: pd.DataFrame) -> dict[str, str]:
        converged = part.get("converged_accuracy")
        has_one = converged is not None and converged.notna().all()
        return {
            "arm": arm,
            "parameters that train": f"{part.trained_parameters.iloc[0]:,.0f}",
            "frozen part": "computed once" if can_cache(ARMS[arm]) else "every step",
            "a step, ms": f"{part.step_ms.mean():.1f}",
            "all, s": f"{part.fit_seconds.mean():.1f}",
            "test, %": mean_and_sd(part.test_accuracy),
            "converged head, %": mean_and_sd(converged) if has_one else "-",
        }

    return pd.DataFrame([row(arm, results[results.arm == arm]) for arm in dict.fromkeys(results.arm)])


def _findings(changes: Changes, config: Any) -> list[str]:
    accuracy = changes.results.groupby(["images", "arm"]).test_accuracy.mean()
    best = [f"{n} images: {accuracy[n].idxmax()} ({accuracy[n].max():.1f} %)" for n in changes.images]
    averaged = changes.averaged()
    modes = {strategy: averaged.of_mode(strategy) for strategy in STRATEGIES}
    parts = [
        f"{strategy}: {sentences.difference(c)}" for strategy, row in modes.items() for c in row.values()
    ]
    converged = (
        changes.by_images("head_batch", "head_inference", metric="converged_accuracy")
        if "converged_accuracy" in changes.results
        else {}  # of a study that was stopped before the runs that measure it
    )
    heads = [f"{where}: {sentences.difference(change)}" for where, change in converged.items()]
    what = f"BatchNorm with training=True instead of False, momentum {config.momentum:g}"
    return [
        f"Highest mean accuracy. {'; '.join(best)}.",
        *([f"{what}, mean over the numbers of images. {'; '.join(parts)}."] if parts else []),
        *([f"{what}, a new layer trained to convergence. {'; '.join(heads)}."] if heads else []),
    ]


def _figures(results: pd.DataFrame, curve: pd.DataFrame, largest: int) -> list[tuple[str, str, Any]]:
    lines, up = list(STRATEGIES), "test accuracy in inference mode, %"
    band = "Means over seeds; bands from the lowest to the highest seed."
    at_largest = curve[curve.images == largest].copy()
    # A point stands at the mean time of its seeds.
    at_largest["seconds"] = at_largest.groupby(["arm", "step"], observed=True).seconds.transform("mean")
    results, at_largest = (table.assign(arm=table.strategy) for table in (results, at_largest))
    style: dict[str, Any] = {"panel": "panel", "log_x": True}
    return [
        (
            "Accuracy against the number of target images",
            f"After the same number of training steps each. {band}",
            curves(results, "images", "test_accuracy", ("target images to train on", up), lines, **style),
        ),
        (
            f"Accuracy against time, with {largest} images",
            f"With the pass through a frozen part that is computed once; without tracing and tests. {band}",
            curves(at_largest, "seconds", "test_accuracy", ("seconds of training", up), lines, **style),
        ),
    ]


def _limits(config: Any, curve: pd.DataFrame) -> list[str]:
    steps = config.epochs * config.steps
    target = Path(config.data_dir).name or config.dataset
    return [
        f"{steps} steps of {config.batch_size} images, whatever the number of images: a small set is seen "
        "many times. Longer training can change the order, above all from scratch.",
        _of_rates(config),
        f"One network ({Path(config.model).name}), one data set ({target}, {config.shift}), "
        f"{counted(config.seeds, 'seed')}. {_of_source(config)}",
        _of_machine(curve),
    ]


def _of_rates(config: Any) -> str:
    if config.is_tuned:
        return (
            f"Each arm's learning rate is the best of two on {config.validation_images} validation images, "
            "which are more than the fewest to train on."
        )
    return (
        f"One learning rate for pretrained layers ({config.tuning_rate:g}) and one for a new layer and from "
        f"scratch ({config.learning_rate:g}), not searched for each arm."
    )


def _of_source(config: Any) -> str:
    if config.is_tuned:
        return "The target is far from ImageNet; with a closer one a pretrained network gains more."
    return "The source is close to the target; with a distant one a pretrained network gains less."


def _of_machine(curve: pd.DataFrame) -> str:
    if "machine" not in curve:
        return (
            "Seconds are from this machine, for a network this small, and include the effect of other work."
        )
    machines = ", ".join(dict.fromkeys(curve.machine.astype(str)))
    return f"Seconds are from {machines}, with other runs at the same time; not comparable to other machines."
