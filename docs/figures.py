"""Draws the figures of the docs: `python -m docs.figures`."""

from pathlib import Path

from matplotlib import rcParams
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from experiments.lab import plots
from tfbn.layers.modes import Mode, NormalizesBy

IMAGES = Path(__file__).parent / "images"
BATCH, MOVING, AFFINE = plots.COLORS[0], plots.COLORS[1], plots.COLORS[2]
GRAY = "#777777"
# Places in a cell: x, y, width, height.
BATCH_BOX, MOVING_BOX = (0.3, 2.05, 2.9, 0.95), (0.3, 0.5, 2.9, 0.95)
NORMALIZE_BOX, AFFINE_BOX = (4.3, 1.3, 2.4, 0.9), (7.6, 1.3, 2.1, 0.9)


def modes_figure():
    """The eight modes: what normalizes down, what updates and what trains across."""
    figure, axes = plots.new_figure(13.2, 5.6, rows=2, columns=4)
    rows: tuple[NormalizesBy, ...] = ("batch", "moving")
    columns = [(updates, trains) for updates in (True, False) for trains in (True, False)]
    for row, normalizes_by in enumerate(rows):
        for axis, (updates, trains) in zip(axes[row], columns, strict=True):
            _cell(axis, Mode(normalizes_by, updates, trains))
    figure.suptitle(
        "In a training call: by what the layer normalizes (rows), whether its moving statistics update, "
        "and whether gamma and beta train",
        fontsize=12,
    )
    figure.supxlabel(
        "Thick frame: the two modes that stock Keras has.   "
        "In evaluate and predict all eight are alike: moving statistics, held.",
        fontsize=11,
    )
    return figure


def _cell(axis, mode):
    axis.set(xlim=(0, 10), ylim=(-0.1, 4.3), xticks=[], yticks=[])
    axis.grid(visible=False)
    stock = mode in (Mode("batch", True, True), Mode("moving", False, False))
    for spine in axis.spines.values():
        spine.set(visible=True, linewidth=3.0 if stock else 0.8, color="black" if stock else "#bbbbbb")
    flags = {"training": mode.normalizes_by == "batch", "update_statistics": mode.updates}
    axis.set_title(
        "\n".join(f"{name}={value}" for name, value in {**flags, "trainable": mode.trains}.items()),
        fontsize=9.5,
        family="monospace",
        loc="left",
        weight="bold" if stock else "normal",
    )
    by_batch = mode.normalizes_by == "batch"
    _box(axis, BATCH_BOX, "batch's mean\nand variance", BATCH, used=by_batch or mode.updates)
    _box(axis, MOVING_BOX, "moving mean\nand variance", MOVING, used=not by_batch or mode.updates)
    _box(axis, NORMALIZE_BOX, "normalize", "black", used=True)
    _box(axis, AFFINE_BOX, "gamma\nbeta", AFFINE, used=mode.trains, hatch=None if mode.trains else "////")
    _arrow(axis, (3.26, 2.5 if by_batch else 1.0), (4.24, 1.75), BATCH if by_batch else MOVING)
    _arrow(axis, (6.76, 1.75), (7.54, 1.75), "black")
    if mode.updates:
        _arrow(axis, (1.75, 2.05), (1.75, 1.5), "black", style="--")
        axis.text(1.95, 1.76, "update", fontsize=8.5, va="center")
    else:
        axis.text(1.75, 0.2, "held", fontsize=8.5, ha="center", va="center", color="black")
    if mode.trains:
        _arrow(axis, (8.65, 3.0), (8.65, 2.24), "black", style="--")
    axis.text(
        8.65, 3.12 if mode.trains else 2.4, "gradient" if mode.trains else "frozen", fontsize=8.5, ha="center"
    )
    axis.text(0.3, 3.7, str(mode).replace(", gamma", ",\ngamma"), fontsize=9, va="center", color="#333333")


def _box(axis, place, text, color, used, hatch=None):
    x, y, width, height = place
    edge = color if used else GRAY
    patch = FancyBboxPatch(
        (x, y), width, height, boxstyle="round,pad=0.04", linewidth=1.8 if used else 0.8, edgecolor=edge,
        facecolor="white", linestyle="-" if used else ":", hatch=hatch,
    )  # fmt: skip
    axis.add_patch(patch)
    background = {"facecolor": "white", "edgecolor": "none", "pad": 1.0} if hatch else None
    axis.text(
        x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=8.5, bbox=background,
        color="black" if used or hatch else GRAY,
    )  # fmt: skip


def _arrow(axis, start, end, color, style="-"):
    axis.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=12, linewidth=1.8, color=color, linestyle=style,
            shrinkA=0, shrinkB=0,
        )
    )  # fmt: skip


def save(figure, name: str) -> Path:
    """Writes an SVG that is the same each time."""
    # Text stays text, in a font that is there or one of the same width.
    rcParams.update({"svg.hashsalt": "tfbn", "svg.fonttype": "none"})
    rcParams["font.sans-serif"] = ["DejaVu Sans", "Verdana", "sans-serif"]
    path = IMAGES / f"{name}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
    return path


if __name__ == "__main__":
    print(save(modes_figure(), "modes"))
