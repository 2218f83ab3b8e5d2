"""What the main job's numbers say."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lab import plots, sentences
from ..lab.experiment import Summary
from ..lab.intervals import interval, mean_and_sd, paired
from ..lab.sentences import shift_in_words
from ..training.arms import ARMS
from .claims import claims

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "inference"
SHORT, CONVERGED = "test_accuracy", "converged_accuracy"


def summarize(config: Any, results: "pd.DataFrame", folder: Path) -> Summary:
    """The `Summary` of `frozen_batchnorm`; accuracies in percent, differences in points."""
    import pandas as pd

    results = with_percentages(results)
    drift = pd.read_parquet(folder / "drift.parquet")
    arms = list(config.arms)
    tables = [("Arms", arms_table(arms, results))]
    for shift in config.shifts:
        of_shift = f"{config.target.name}, {shift_in_words(shift)}"
        tables += [
            (f"Test accuracy in inference mode: {of_shift}", accuracy_table(results, shift, arms)),
            (f"What BatchNorm did: {of_shift}", behaviour_table(results, shift, arms)),
        ]
    return Summary(
        findings=[finding for finding in findings(config, results) if finding],
        tables=tables,
        figures=figures(config, results, drift),
        limits=limits(config),
        claims=claims(config, results),
    )


def with_percentages(results: "pd.DataFrame") -> "pd.DataFrame":
    """Accuracies in percent, and the gap between what `fit` reports and what `predict` gives."""
    results = results.copy()
    accuracies = [name for name in results.columns if "accuracy" in name]
    results[accuracies] *= 100
    results["gap"] = results.fit_accuracy - results.train_accuracy
    return results


def arms_table(arms: list[str], results: "pd.DataFrame") -> "pd.DataFrame":
    """What each arm does with the pretrained layers, and whether they ran in every step to do it."""
    import pandas as pd

    once = results.groupby("arm").frozen_part_computed_once.min()
    ran = ["once, before training (tfbn.cache_features)" if once[arm] else "in every step" for arm in arms]
    says = [ARMS[arm].says for arm in arms]
    return pd.DataFrame({"arm": arms, "pretrained layers": says, "which are computed": ran})


def accuracy_table(
    results: "pd.DataFrame", shift: str, arms: list[str], reference: str = REFERENCE
) -> "pd.DataFrame":
    """One row an arm: mean and sd at both budgets, and the paired difference to the reference."""
    import pandas as pd

    def row(arm: str) -> dict[str, str]:
        part = _part(results, shift, arm)
        cells = {"arm": arm}
        for metric, budget in ((SHORT, "short"), (CONVERGED, "converged")):
            compared = reference in arms and arm != reference
            change = paired(results, metric, shift, arm, reference) if compared else None
            cells[f"{budget}, %"] = mean_and_sd(part[metric])
            cells[f"{budget} minus {reference}, points"] = change.text() if change else "-"
            cells[f"agree ({budget})"] = f"{change.agree}/{change.seeds}" if change else "-"
        return cells

    return pd.DataFrame([row(arm) for arm in arms])


def behaviour_table(results: "pd.DataFrame", shift: str, arms: list[str]) -> "pd.DataFrame":
    """One row an arm: fit against inference on the same images, drift, mismatch, time."""
    import pandas as pd

    def row(arm: str) -> dict[str, str]:
        part = _part(results, shift, arm)
        return {
            "arm": arm,
            "train in fit, %": f"{part.fit_accuracy.mean():.1f}",
            "inference, %": f"{part.train_accuracy.mean():.1f}",
            "gap, points": f"{part.gap.mean():+.1f}",
            "test by batch, %": mean_and_sd(part.test_accuracy_batch),
            "drift, sd": f"{part.mean_shift.mean():.2f}",
            "mismatch, nats per channel": f"{part.mismatch.mean():.3f}",
            "statistics": _moved(part.statistics_moved),
            "gamma, beta": _moved(part.affine_moved),
            "fit, s": f"{part.fit_seconds.mean():.1f}",
        }

    return pd.DataFrame([row(arm) for arm in arms])


def findings(config: Any, results: "pd.DataFrame") -> list[str]:
    """Sentences that follow from the numbers, for the arms that ran."""
    across = _Across(config, results)
    held = ARMS["batch_slow"].momentum
    return [
        _what_moved(results),
        across.differences(
            "Frozen with training=True instead of training=False, test accuracy in inference mode",
            "batch",
            REFERENCE,
            {"short budget": SHORT, "converged head": CONVERGED},
        ),
        across.sentence(
            "batch_held", "With training=True and statistics held, accuracy in fit against inference", _held
        ),
        across.differences(
            f"Momentum {held} instead of {config.momentum:g} ({_way_gone(config)}), short budget",
            "batch_slow",
            "batch",
            {"": SHORT},
        ),
        across.differences(
            "Recalibrating once instead of updating all along, short budget",
            "recalibrated",
            "batch",
            {"": SHORT},
        ),
    ]


class _Across:
    """Sentences that say one thing for every shift."""

    def __init__(self, config: Any, results: "pd.DataFrame"):
        self.shifts, self.results, self.ran = config.shifts, results, set(config.arms)

    def differences(self, what: str, arm: str, reference: str, metrics: dict[str, str]) -> str:
        if not {arm, reference} <= self.ran:
            return ""
        parts = [
            f"{', '.join(filter(None, (shift_in_words(shift), label)))}: "
            + sentences.difference(paired(self.results, metric, shift, arm, reference))
            for shift in self.shifts
            for label, metric in metrics.items()
        ]
        return f"{what}. {'; '.join(parts)}."

    def sentence(self, arm: str, what: str, say: "Callable[[pd.DataFrame], str]") -> str:
        if arm not in self.ran:
            return ""
        parts = [f"{shift_in_words(at)}: {say(_part(self.results, at, arm))}" for at in self.shifts]
        return f"{what}. {'; '.join(parts)}."


def _held(part: "pd.DataFrame") -> str:
    return (
        f"{part.fit_accuracy.mean():.1f} % in fit, {part.train_accuracy.mean():.1f} % in inference mode "
        f"on the same images, {interval(part.gap).text()} points apart at a drift of "
        f"{part.mean_shift.mean():.2g} sd and a mismatch of {part.mismatch.mean():.2g} nats per channel"
    )


def _what_moved(results: "pd.DataFrame") -> str:
    held = results[results.arm.map(_holds_statistics)]
    frozen = results[results.arm.map(lambda arm: not ARMS[arm].trainable)]
    said = [
        sentences.never_moved("moving statistics", "arms that hold them", held.statistics_moved),
        sentences.never_moved("gamma and beta", "frozen arms", frozen.affine_moved),
    ]
    text = "; ".join(sentence for sentence in said if sentence)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _way_gone(config: Any) -> str:
    steps = config.epochs * -(-config.train_images // config.batch_size)
    gone = [100 * (1 - m**steps) for m in (ARMS["batch_slow"].momentum or 0, config.momentum)]
    return f"after {steps} steps the statistics have gone {gone[0]:.0f} % and {gone[1]:.0f} % of the way"


def figures(config: Any, results: "pd.DataFrame", drift: "pd.DataFrame") -> list[tuple[str, str, Any]]:
    """Accuracy by arm, the train/inference gap, and drift by layer and step."""
    arms = list(config.arms)
    drifting = [arm for arm in arms if not _holds_statistics(arm) and not ARMS[arm].trainable] or arms[:1]
    accuracies = {SHORT: "short budget", CONVERGED: "converged head"}
    modes = {"fit_accuracy": "in fit, last epoch", "train_accuracy": "in inference mode, afterwards"}
    maps = [
        (
            f"Drift of the moving mean: {shift_in_words(shift)}",
            "Root mean square over channels of the shift since the start, in standard deviations "
            "of the start. Layers from input (top) to output (bottom); mean over seeds.",
            plots.heat_maps(drift, "mean_shift", "mean shift, sd", shift, drifting),
        )
        for shift in config.shifts
    ]
    return [
        (
            "Test accuracy in inference mode",
            "Small marks are seeds, large marks their mean.",
            plots.by_arm(results, accuracies, arms, "test accuracy, %"),
        ),
        (
            "Train against inference, on the same training images",
            "Where the marks are far apart, what fit normalises by is not what predict normalises by, "
            "or the moving statistics lag.",
            plots.by_arm(results, modes, arms, "accuracy on training images, %"),
        ),
        *maps,
    ]


def limits(config: Any) -> list[str]:
    """What the run cannot show, whatever its numbers."""
    return [
        f"The short budget is {config.epochs} epochs of Adam on {config.train_images} images. A difference "
        "there mixes what the features are worth with how fast a head learns on them; the converged head "
        "tells the two apart.",
        f"One network ({Path(config.model).name}), one data set ({config.target.name}), {config.seeds} "
        "seeds. The intervals cover the draw of images, the initial head, the order of batches and, where "
        "each seed has pretrained weights of its own, the pretraining. They do not cover other networks or "
        "other data: large networks on photographs can behave otherwise than small ones on grey digits.",
    ]


def _part(results: "pd.DataFrame", shift: str, arm: str) -> "pd.DataFrame":
    return results[(results.condition == shift) & (results.arm == arm)]


def _moved(change: "pd.Series") -> str:
    moved = int((change > 0).sum())
    return {0: "unmoved", len(change): "moved"}.get(moved, f"moved in {moved}/{len(change)}")


def _holds_statistics(arm: str) -> bool:
    from tfbn.layers.modes import resolve

    flags = ARMS[arm]
    return not resolve(flags.training, flags.update_statistics, flags.trainable).updates
