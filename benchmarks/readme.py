"""The speed table of README.md, from the latest measurements: `python -m benchmarks.readme`."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.common import WITHOUT_ONEDNN
from benchmarks.networks import BARE

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- speed begin -->\n", "<!-- speed end -->\n"
TFBN, FOLDED, RECORDED = "tfbn's, fused operation", "tfbn.fold", "what the recorder does"
CIFAR = ("ResNet-20,", "ResNet-56,")
ALL = (*CIFAR, "ResNet-50,", "MobileNetV2,")
FROZEN = tuple(f"ResNet-20, 32x32, batch 64, {what}" for what in ("all but the head", "only BatchNorm"))
CARD = ("resnet20,", "resnet56,", "ResNet50,")  # as benchmarks/accelerator.py names them
HUB = tuple(f"KerasHub's {name}" for name in ("EfficientNet", "HGNetV2", "MobileNetV5"))


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        what: Its text; the parts between slashes are those of `rows`.
        benchmark: The benchmark that has its numbers.
        rows: How the `what` of each row begins.
        way: How the name of the way begins.
        own: Whether to show the own cost instead of the ratio.
    """

    what: str
    benchmark: str
    rows: tuple[str, ...]
    way: str
    own: bool = False


LINES = (
    Line("train step: ResNet-20 / ResNet-56 / ResNet-50 at 64x64 / MobileNetV2 at 64x64", "layer", ALL, TFBN),
    Line("BatchNormalization's own cost in it: ResNet-20 / ResNet-56", "layer", CIFAR, TFBN, own=True),
    Line("the step without any BatchNormalization, which no layer can beat: the same", "layer", CIFAR, BARE),
    Line("`jit_compile=True`, ResNet-20", "jit", ("ResNet-20,",), TFBN),
    Line("held by `training=False`, over no BatchNormalization, ResNet-20: all but the head frozen / only"
         " BatchNorm frozen", "modes", FROZEN, "tfbn, training=False"),
    Line("prediction: ResNet-20 / ResNet-56 / ResNet-50 / MobileNetV2", "inference", ALL, TFBN),
    Line("with `tfbn.fold`: the same", "inference", ALL, FOLDED),
    Line("with `tfbn.fold`, KerasHub's EfficientNet-B0 / HGNetV2 / MobileNetV5", "keras_hub", HUB, FOLDED),
    Line("first call of a train step, tracing included, ResNet-56", "first_call", ("ResNet-56,",), TFBN),
    Line("what `DriftRecorder` does in a step, over the step: ResNet-20 / ResNet-56 / an MLP of 2 ms",
         "recorder", (*CIFAR, "MLP of width 256, batch 128, a train step, every step recorded"), RECORDED),
    Line("the same on JAX / PyTorch, ResNet-20", "recorder_backends",
         tuple(f"ResNet-20, 32x32, batch 64, a train step on {name}" for name in ("jax", "torch")), RECORDED),
    Line("on JAX and an NVIDIA H100, train step: ResNet-20 / ResNet-56 / ResNet-50 at 64x64", "accelerator",
         CARD, "tfbn's"),
    Line("prediction there, with `tfbn.fold`: the same", "accelerator", CARD, "folded"),
    Line("ten epochs of a head on 4,096 images: `tfbn.cache_features` against the guide's recipe",
         "frozen_prefix", ("ResNet-20,",), "tfbn.cache_features"),
)  # fmt: skip


def table(measured: dict[str, Any]) -> str:
    """The text between the marks, from `results.json`."""
    about = next(iter(measured.values()))["with"]
    lines = [
        f"Time of tfbn over time of stock Keras, medians of interleaved pairs on {about['machine']}",
        f"({about.get('instruction sets', '')}), {about['date']}, with oneDNN on and off. The own",
        "cost is what BatchNormalization adds to a network without it, tfbn's over stock Keras's. All rows,",
        "what each is compared with, and how busy the machine was are in",
        "[benchmarks/results.md](benchmarks/results.md), made by `make benchmark`.",
        "",
        "| what | ratio | oneDNN off |",
        "|---|---|---|",
    ]
    for line in LINES:
        on, off = (_values(measured.get(line.benchmark + suffix), line) for suffix in ("", WITHOUT_ONEDNN))
        lines.append(f"| {line.what} | {on or 'not measured'} | {off} |")
    return "\n".join(lines) + "\n"


def _values(measured: dict[str, Any] | None, line: Line) -> str:
    rows = measured["rows"] if measured else []
    found = [
        next((r for r in rows if r["what"].startswith(begin) and r["ours"].startswith(line.way)), None)
        for begin in line.rows
    ]
    values = [row.get("own") if line.own else row["ratio"] for row in found if row]
    return " / ".join(
        f"{value:.3f}" if value < 0.1 else f"{value:.2f}" for value in values if value is not None
    )


def main() -> None:
    """Writes the table into README.md."""
    measured = json.loads((results.FOLDER / "results.json").read_text())
    before, rest = README.read_text().split(BEGIN)
    _, after = rest.split(END)
    README.write_text(f"{before}{BEGIN}\n{table(measured)}\n{END}{after}")


if __name__ == "__main__":
    main()
