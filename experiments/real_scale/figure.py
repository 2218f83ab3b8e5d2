"""The one figure: what re-estimated statistics gain or cost, by what was shifted and by how much."""

from typing import TYPE_CHECKING

from ..lab.plots import COLORS, MARKERS, new_figure
from .conditions import CONDITIONS, Condition
from .judging import differences
from .rules import LEAST_SEEDS, Rule

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

GAIN = Rule("The target's statistics are better.", "recalibrated", "inference", ("refitted_accuracy",))
PANELS = {
    "refitted_accuracy": "what the features are worth (head refitted)",
    "test_accuracy": "short training",
}
CAPTION = (
    "Accuracy with the target's statistics (recalibrated) minus accuracy with the pretrained ones "
    "(training=False), in points, with 95 % intervals. One line for each network and target; to the right, "
    "more contrast is taken from the target's pixels. Conditions with four seeds or more."
)
TARGETS = {
    "fashion_mnist": "clothes (Fashion-MNIST)",
    "mnist5k": "digits (MNIST)",
    "uci_digits": "other digits (UCI)",
    "photographs": "photographs",
}
CONTRASTS = {"none": 1.0, "contrast=0.3": 0.3, "contrast=0.1": 0.1}


def crossover(arms: "pd.DataFrame") -> "Figure":
    """A panel for each measure: the gain by the contrast that is left, a line for each network and target."""
    figure, axes = new_figure(10.5, 4.4, columns=len(PANELS), sharey=True)
    for axis, (measure, title) in zip(axes[0], PANELS.items(), strict=True):
        found = differences(arms, GAIN, measure)
        for i, (label, conditions) in enumerate(_lines(found).items()):
            style = {"color": COLORS[i], "marker": MARKERS[i]}
            places = [list(CONTRASTS).index(each.shift) + 0.06 * (i - 1.5) for each in conditions]
            gains = [found[each.name] for each in conditions]
            half = [each.mean - each.low for each in gains]
            axis.errorbar(places, [each.mean for each in gains], yerr=half, label=label, capsize=3, **style)
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set_xticks(range(len(CONTRASTS)), ["as it is", "contrast 0.3", "contrast 0.1"])
        axis.set_xlabel("pixels of the target")
        axis.set_title(title)
    axes[0][0].set_ylabel("target's minus pretrained statistics, points")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _lines(found: dict) -> dict[str, list[Condition]]:
    """By network and target the conditions that differ in contrast alone, from the least shifted on."""
    lines: dict[str, list[Condition]] = {}
    for name in found:
        each = CONDITIONS[name]
        usual = name in ("few_images", "small_batches", "large_images")
        if each.shift in CONTRASTS and not usual and found[name].seeds >= LEAST_SEEDS:
            network = "ResNet-8" if each.network == "resnet8" else each.network
            lines.setdefault(f"{network}, {TARGETS[each.target]}", []).append(each)
    return {
        label: sorted(conditions, key=lambda each: -CONTRASTS[each.shift])
        for label, conditions in lines.items()
    }
