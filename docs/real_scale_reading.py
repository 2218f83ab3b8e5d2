"""The paragraph on when new statistics help and when they hurt, with its numbers from the results."""

from typing import TYPE_CHECKING

from experiments.lab.intervals import Interval
from experiments.real_scale.conditions import CONDITIONS
from experiments.real_scale.rules import Rule
from experiments.real_scale.verdicts import differences

if TYPE_CHECKING:
    import pandas as pd

SIZES = ("small_batches", "base", "large_images")  # by N*H*W
TEXT = """\
- **The task is nearly the same and the pixels are scaled** (ResNet-8 of MNIST, other digits, contrast 0.3):
  the target's statistics undo the scaling, and a head learns faster on them, {toy_short} points after a
  short training. With a refitted head {toy} points remain, which may be nothing.
- **The task is different** (the ImageNet network on clothes, digits and photographs): with the target's
  statistics the mean accuracy is lower in {below} of {ran} conditions, even with refitted heads, so the
  features themselves are worse.
- **Shifted pixels do not make up for a different task.** On clothes with contrast 0.3 the target's statistics
  change accuracy by {contrast} points, about as much as without the shift; with noise by {noise}, so
  the noise adds {more}.
  What helps a small network on scaled pixels does not carry over to an ImageNet network on another task.
- **N·H·W.** At {values} values per channel, normalizing by the batch at momentum 0.9 changes accuracy by
  {batch} points after a short training: less with larger batches and images, but the differences are within
  the intervals. Population statistics, which are free of a batch's noise, change it by {population} with
  refitted heads. So the noise of batches is not the reason.
"""


def reading(arms: "pd.DataFrame") -> str:
    """The paragraph; every condition that it names has to have run."""

    def against_inference(measure: str, arm: str = "recalibrated") -> dict[str, Interval]:
        return differences(arms, Rule("", arm, "inference", (measure,)), measure)

    short, refitted = against_inference("test_accuracy"), against_inference("refitted_accuracy")
    by_batch = against_inference("test_accuracy", "batch_0.9")
    pair = Rule("", "recalibrated", "inference", ("refitted_accuracy",), pairs=(("noise", "base"),))
    of_imagenet = [name for name in refitted if CONDITIONS[name].network != "resnet8"]
    return TEXT.format(
        toy_short=short["toy_contrast"].text(),
        toy=refitted["toy_contrast"].text(),
        below=sum(refitted[name].mean < 0 for name in of_imagenet),
        ran=len(of_imagenet),
        contrast=refitted["contrast"].text(),
        noise=refitted["noise"].text(),
        more=differences(arms, pair, "refitted_accuracy")["noise against base"].text(),
        values=_listed([str(CONDITIONS[name].values_a_channel) for name in SIZES]),
        batch=_listed([f"{by_batch[name].mean:+.1f}" for name in SIZES]),
        population=_listed([f"{refitted[name].mean:+.1f}" for name in SIZES]),
    ).strip()


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
