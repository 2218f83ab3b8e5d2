"""The figure: when new statistics help and when they hurt, by the shift of the pixels and by N*H*W."""

from typing import TYPE_CHECKING, Any

from ..lab.intervals import Interval
from ..lab.plots import COLORS, MARKERS, new_figure
from .conditions import CONDITIONS, Condition
from .rules import LEAST_SEEDS, Rule
from .verdicts import differences

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

GAIN = Rule("The target's statistics are better.", "recalibrated", "inference", ("refitted_accuracy",))
BY_BATCH = Rule("training=True is better.", "batch_0.9", "inference", ("test_accuracy",))
PANELS = {
    "refitted_accuracy": "target's statistics,\nwhat the features are worth (head refitted)",
    "test_accuracy": "target's statistics,\nafter a short training",
}
CAPTION = (
    "Accuracy minus that of training=False with the pretrained statistics, in points, with 95 % intervals: "
    "above zero new statistics help, below they hurt. Left and middle: the target's population statistics "
    "(recalibrated), by what was done to the target's pixels; one color for each network and target. Right: "
    "training=True at momentum 0.9, by the number of values that a channel of the last layers is normalized "
    "over; pixels as they are. Conditions with four seeds or more."
)
TARGETS = {
    "fashion_mnist": "clothes (Fashion-MNIST)",
    "mnist5k": "digits (MNIST)",
    "uci_digits": "other digits (UCI)",
    "photographs": "photographs",
}
SHIFTS = {
    "none": "as they\nare",
    "contrast=0.3": "contrast\n0.3",
    "contrast=0.1": "contrast\n0.1",
    "noise=0.3": "noise\n0.3",
}
VARIED = ("few_images", "small_batches", "large_images")  # another factor than the pixels


def crossover(arms: "pd.DataFrame") -> "Figure":
    """The gain by the shift of the pixels in two panels, and by the values normalized over in one."""
    figure, axes = new_figure(13.0, 4.8, columns=len(PANELS) + 1, sharey=True)
    styles = {
        label: {"color": COLORS[i], "marker": MARKERS[i], "label": label}
        for i, label in enumerate(_lines(differences(arms, GAIN, GAIN.measures[0])))
    }
    for axis, (measure, title) in zip(axes[0], PANELS.items(), strict=False):
        found = differences(arms, GAIN, measure)
        for i, (label, conditions) in enumerate(_lines(found).items()):
            noisy = [c for c in conditions if "noise" in c.shift]  # not joined to the contrasts
            for part in filter(None, ([c for c in conditions if c not in noisy], noisy)):
                places = [list(SHIFTS).index(each.shift) + 0.06 * (i - 1.5) for each in part]
                _draw(axis, places, [found[each.name] for each in part], **styles[label])
        axis.set_xticks(range(len(SHIFTS)), list(SHIFTS.values()))
        axis.set_xlabel("pixels of the target")
        axis.set_title(title)
    _by_size(axes[0][-1], differences(arms, BY_BATCH, "test_accuracy"), styles)
    for axis in axes[0]:
        axis.axhline(0, color="black", linewidth=0.8)
    axes[0][0].set_ylabel("minus training=False, points")
    handles = dict(zip(*reversed(axes[0][0].get_legend_handles_labels()), strict=True))  # each label once
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _draw(axis: Any, places: list[float], gains: list[Interval], **style: Any) -> None:
    half = [each.mean - each.low for each in gains]
    axis.errorbar(places, [each.mean for each in gains], yerr=half, capsize=3, **style)


def _by_size(axis: Any, found: dict[str, Interval], styles: dict[str, dict[str, Any]]) -> None:
    """The gain of normalizing by the batch with unchanged pixels."""
    usable = [CONDITIONS[name] for name, each in found.items() if each.seeds >= LEAST_SEEDS]
    usable = [each for each in usable if not each.pixels_shifted and each.name != "few_images"]
    for i, (label, style) in enumerate(styles.items()):
        of_line = sorted((c for c in usable if _label(c) == label), key=lambda c: c.values_a_channel)
        places = [c.values_a_channel * 1.05 ** (i - 1.5) for c in of_line]
        if of_line:
            _draw(axis, places, [found[c.name] for c in of_line], **style)
    sizes = sorted({each.values_a_channel for each in usable})
    axis.set_xscale("log")
    axis.set_xticks(sizes, list(map(str, sizes)))
    axis.minorticks_off()
    axis.set_xlabel("N·H·W of the last layers")
    axis.set_title("training=True, momentum 0.9,\nafter a short training")


def _label(condition: Condition) -> str:
    network = "ResNet-8" if condition.network == "resnet8" else condition.network
    return f"{network}, {TARGETS[condition.target]}"


def _lines(found: dict[str, Interval]) -> dict[str, list[Condition]]:
    """By network and target the conditions that differ in their pixels alone, in the order of `SHIFTS`."""
    lines: dict[str, list[Condition]] = {}
    for name in found:
        each = CONDITIONS[name]
        if each.shift in SHIFTS and name not in VARIED and found[name].seeds >= LEAST_SEEDS:
            lines.setdefault(_label(each), []).append(each)
    return {
        label: sorted(conditions, key=lambda each: list(SHIFTS).index(each.shift))
        for label, conditions in lines.items()
    }
