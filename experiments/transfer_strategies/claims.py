"""Claims of guides and courses about strategies, and the rules that decide them."""

from typing import TYPE_CHECKING, Any

from ..lab.differences import paired
from ..lab.intervals import Interval, interval
from ..lab.verdicts import Claim, judged
from ..training.sources import FEW_IMAGES, KERAS_INFERENCE, MANY_IMAGES
from .arms import MODES, arm_name

if TYPE_CHECKING:
    import pandas as pd

MEAN = "any number of images (mean)"
FEW = 100  # this many target images or fewer are "few"
MARGIN = 2.0  # points of accuracy that "as good as" may lose
_AVERAGED = ("test_accuracy", "slow_accuracy", "test_images")


class Changes:
    """Paired differences of two arms, for the arms that ran.

    Args:
        results: Labeled, in percent.
    """

    def __init__(self, results: "pd.DataFrame"):
        self.results, self.ran = results, set(results.arm)
        self.images = sorted(set(results.images))
        self._images_of = results.groupby("arm", observed=True).images.agg(set)

    def by_images(
        self, arm: str, reference: str, images: list[int] | None = None, metric: str = "test_accuracy"
    ) -> dict[str, Interval]:
        """The difference at each number of images; empty if one of the arms did not run."""
        if not {arm, reference} <= self.ran:
            return {}
        images = self.images if images is None else images
        return {
            f"{n} images" if n else MEAN: paired(self.results, metric, f"images={n}", arm, reference)
            for n in images
            if n in self._images_of[arm] & self._images_of[reference]
        }

    def by_mode(self, strategy: str, reference: str, images: list[int], **kwargs: Any) -> dict[str, Interval]:
        """The difference of two strategies, at each number of images and in each mode."""
        return {
            f"{mode} at {where}": change
            for mode in MODES
            for where, change in self.by_images(
                arm_name(strategy, mode), arm_name(reference, mode), images, **kwargs
            ).items()
        }

    def averaged(self) -> "Changes":
        """The same of each arm and seed's mean accuracies over the numbers of images.

        Its intervals are over seeds alone, so that the numbers of images need not be distinguished.
        Of a study that was stopped, the numbers at which every arm ran count, and the seeds that ran at all
        of them.
        """
        columns = [name for name in _AVERAGED if name in self.results]
        arms = self.results.groupby("images").arm.agg(lambda column: set(column) == self.ran)
        whole = self.results[self.results.images.map(arms)]
        by_seed = whole.groupby(["arm", "seed"], sort=False, observed=True)
        table = by_seed[columns].mean()[by_seed.size() == arms.sum()].reset_index()
        return Changes(table.assign(condition="images=0", images=0))

    def of_mode(self, strategy: str, metric: str = "test_accuracy") -> dict[str, Interval]:
        """training=True minus training=False, at each number of images."""
        return self.by_images(arm_name(strategy, "batch"), arm_name(strategy, "inference"), metric=metric)

    def time_saved(self, strategy: str, mode: str) -> Interval | None:
        """Of a step that trains everything, at the largest number of images, in percent."""
        arm, whole = arm_name(strategy, mode), arm_name("everything", mode)
        largest = self.results[self.results.images == self.images[-1]]
        if not {arm, whole} <= set(largest.arm):
            return None
        step_ms = largest.set_index(["arm", "seed"]).step_ms
        return interval(100 * (1 - step_ms[arm] / step_ms[whole]).dropna())


def claims(changes: Changes, momentum: float) -> list[Claim]:
    """Each claim with the differences that decide it; the momentum is that of the arms that update."""
    few = [n for n in changes.images if n <= FEW]
    largest = changes.images[-1:]
    averaged = changes.averaged()
    by_strategy = {
        strategy: change.negative()
        for strategy in ("everything", "last", "head")
        for change in averaged.of_mode(strategy).values()
    }
    fewest = f"With few target images (at most {FEW}), train only a new layer on top"
    tests: list[tuple[str, dict[str, Interval], dict[str, Any]]] = [
        ("A pretrained network beats one from scratch.",
         changes.by_images("everything_batch", "scratch_batch"), {}),
        (f"{fewest}.", changes.by_mode("head", "everything", few), {"source": FEW_IMAGES}),
        (f"{fewest}: it is as good as the last layers.", changes.by_mode("head", "last", few),
         {"margin": MARGIN}),
        (f"With {largest[0]} images, training everything beats a new layer on top.",
         changes.by_mode("everything", "head", largest), {"source": MANY_IMAGES}),
        ("Training the last layers is as good as training everything.",
         averaged.by_mode("last", "everything", [0]), {"margin": MARGIN}),
        (f"Keep BatchNorm in inference mode while fine-tuning (momentum {momentum:g}).", by_strategy,
         {"source": KERAS_INFERENCE}),
        ("Freezing layers saves time in every step.", _time_saved(changes),
         {"unit": "% of a step", "digits": 0}),
    ]  # fmt: skip
    return [judged(claim, measured, **how) for claim, measured, how in tests if measured]


def _time_saved(changes: Changes) -> dict[str, Interval]:
    saved = {
        f"{strategy} {mode}": changes.time_saved(strategy, mode)
        for strategy in ("last", "head")
        for mode in MODES
    }
    return {name: each for name, each in saved.items() if each is not None}
